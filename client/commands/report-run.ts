import type { Run } from '../run.ts';
import { exitCode, exitCodeOfOutcome } from './exit-codes.ts';
import type { Followed } from './follow-run.ts';
import { outputText } from './output-text.ts';
import { requestText, waysToDecide } from './request-text.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';

/** Prints what a run came to, and gives the exit code. `isTold`: its last turn's output is printed already. */
export async function reportRun(
  terminal: Terminal,
  run: Run,
  followed: Followed,
  { isJson, isTold }: { readonly isJson: boolean; readonly isTold: boolean },
): Promise<number> {
  const code = codeOf(followed);
  if (isJson) {
    if (followed.kind !== 'interrupted')
      outJson(terminal, await document(run, followed), 'document');
    return code;
  }
  switch (followed.kind) {
    case 'interrupted':
      return code;
    case 'waits':
      for (const request of followed.requests) {
        terminal.note(`\n${requestText(request, new Date())}`);
        terminal.note(waysToDecide(request));
      }
      return code;
    case 'turn': {
      if (!isTold) terminal.out(`${outputText(followed.output, terminal)}\n`);
      const { key, agent } = await run.status();
      terminal.note(
        `Run ${run.id} waits for the next message${key === null ? '; with --key KEY, `belayer send` goes on with it' : `: belayer send ${agent} TEXT --session ${safeText(key)}`}.`,
      );
      return code;
    }
    case 'ended': {
      const { outcome } = followed;
      if (outcome.kind === 'done') terminal.out(`${outputText(outcome.output, terminal)}\n`);
      // Why a run stopped stands in its last event; a run that was cut off has none.
      else if (outcome.kind === 'failed')
        terminal.note(
          `Run ${run.id} failed (${safeText(outcome.failure.type)}): ${safeText(outcome.failure.message)}\nLook closer: belayer show ${run.id}`,
        );
      return code;
    }
    default:
      followed satisfies never;
      return code;
  }
}

function codeOf(followed: Followed): number {
  if (followed.kind === 'ended') return exitCodeOfOutcome(followed.outcome);
  if (followed.kind === 'turn') return exitCode.done;
  return followed.kind === 'waits' ? exitCode.waitsForHuman : exitCode.interrupted;
}

async function document(run: Run, followed: Followed): Promise<unknown> {
  const { agent, customer, state, steps, costMicroUsd, tokens } = await run.status();
  const outcome = followed.kind === 'ended' ? followed.outcome : null;
  return {
    run: run.id,
    agent,
    customer: customer === '' ? null : customer,
    state,
    outcome,
    steps,
    costMicroUsd,
    tokens,
    ...(followed.kind === 'waits' ? { requests: followed.requests } : {}),
    ...(followed.kind === 'turn' ? { turn: followed.number, output: followed.output } : {}),
  };
}
