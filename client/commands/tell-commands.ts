/** What a human says to a run from the command line, besides halting it. */
import type { ExtendBudgetReceipt } from '../../contracts/messages.ts';
import type { Run } from '../run.ts';
import { requestAt } from './decide-command.ts';
import { duration, tokens, usd } from './amounts.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { readText } from './read-text.ts';
import { safeLine, safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface TellFlags {
  readonly reason?: string;
  readonly by?: string;
  readonly json?: true;
}

export type AnswerFlags = TellFlags;

export interface ExtendFlags extends TellFlags {
  readonly costUsd?: number;
  readonly tokens?: number;
  readonly steps?: number;
  readonly wall?: string;
}

interface Said {
  readonly by: string;
  readonly reason?: string;
}

/** Says it, and tells what was said: as a sentence, or as a document. */
function tell(
  terminal: Terminal,
  id: string,
  flags: TellFlags,
  say: (run: Run, said: Said) => Promise<{ readonly sentence: string; readonly document?: object }>,
): Promise<number> {
  return withConnection(terminal, async ({ belayer, parts }) => {
    const run = await belayer.run(id);
    const by = flags.by ?? parts.by;
    const said = { by, ...(flags.reason === undefined ? {} : { reason: flags.reason }) };
    const { sentence, document } = await say(run, said);
    if (flags.json === true) outJson(terminal, { run: run.id, by, ...document }, 'document');
    else terminal.out(`${safeText(sentence)}\n`);
    return exitCode.done;
  });
}

export function answerCommand(
  terminal: Terminal,
  given: { readonly run: string; readonly position: string; readonly text: string },
  flags: AnswerFlags,
): Promise<number> {
  return tell(terminal, given.run, flags, async (run, said) => {
    const request = await requestAt(run, given.position);
    const text = await readText('The answer', given.text, terminal);
    const receipt = await run.answer(request?.position ?? given.position, text, {
      ...said,
      ...(request === undefined ? {} : { argumentsHash: request.argumentsHash }),
    });
    return {
      sentence: `${receipt.request} of ${run.id} is answered by ${said.by}.`,
      document: receipt,
    };
  });
}

export function pauseCommand(
  terminal: Terminal,
  id: string,
  flags: TellFlags & { readonly reason: string },
): Promise<number> {
  return tell(terminal, id, flags, async (run, { by }) => {
    await run.pause(flags.reason, { by });
    return {
      sentence: `Run ${run.id} is paused by ${by}: nothing new of it starts until \`belayer resume ${run.id}\`.`,
      document: { paused: true },
    };
  });
}

export function resumeCommand(terminal: Terminal, id: string, flags: TellFlags): Promise<number> {
  return tell(terminal, id, flags, async (run, said) => {
    await run.resume(said);
    return { sentence: `Run ${run.id} goes on.`, document: { paused: false } };
  });
}

export function steerCommand(
  terminal: Terminal,
  given: { readonly run: string; readonly text: string },
  flags: TellFlags,
): Promise<number> {
  return tell(terminal, given.run, flags, async (run, { by }) => {
    const text = await readText('The text', given.text, terminal);
    if (text.trim() === '')
      throw new WrongUsage('The text is empty; say what the model is to hear.');
    await run.steer(text, { by });
    return {
      sentence: `The model of ${run.id} hears it with its next call.`,
      document: { steered: true },
    };
  });
}

export async function extendCommand(
  terminal: Terminal,
  id: string,
  flags: ExtendFlags,
): Promise<number> {
  const amounts = [flags.costUsd, flags.tokens, flags.steps, flags.wall];
  if (amounts.every((amount) => amount === undefined))
    throw new WrongUsage('Give at least one of --cost-usd, --tokens, --steps, --wall.');
  return tell(terminal, id, flags, async (run, said) => {
    const { costUsd, tokens: more, steps, wall } = flags;
    const now = await run.extendBudget(
      {
        ...(costUsd === undefined ? {} : { costUsd }),
        ...(more === undefined ? {} : { tokens: more }),
        ...(steps === undefined ? {} : { steps }),
        ...(wall === undefined ? {} : { wall: wall as never }),
      },
      said,
    );
    if (now.shared !== undefined)
      return { sentence: sharedText(run.id, now.shared), document: { limits: now } };
    return {
      sentence: `Run ${run.id} may now use up ${usd(now.costMicroUsd)}, ${tokens(now.tokens)}, ${now.steps} steps and ${duration(now.wallMs)} of work.`,
      document: { limits: now },
    };
  });
}

/** What was raised is not the run's own. */
function sharedText(run: string, shared: NonNullable<ExtendBudgetReceipt['shared']>): string {
  const { budget, per, costMicroUsd, tokens: more } = shared;
  const added = [
    ...(costMicroUsd === 0 ? [] : [usd(costMicroUsd)]),
    ...(more === 0 ? [] : [tokens(more)]),
  ].join(' and ');
  if (budget === undefined)
    return `The shared budget that run ${run} asked about is raised by ${added}, or was removed meanwhile; the run goes on.`;
  const words = safeLine(budget, 300);
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}, which run ${run} asked about, is raised by ${added}${per === 'run' ? ' for that run' : ' until its window ends'}. The run's own limits are what they were.`;
}
