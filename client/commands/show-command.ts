import { BelayerError, failureType } from '../../contracts/failures.ts';
import { isPosition, modelPosition, type Position } from '../../contracts/positions.ts';
import { holderOf } from '../../storage/forks/parent.ts';
import { readForks } from '../../storage/forks/fork-tree.ts';
import { readEnd } from '../../storage/reading-results.ts';
import { readCalls, readJournal, readPrompt, type RunRow } from '../../storage/reading-runs.ts';
import { requestsOf } from '../../storage/requests.ts';
import { readFlags } from '../../storage/stop-flags.ts';
import type { Parts } from '../parts.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { flagLines, flagOver } from './flags-text.ts';
import { promptBytes } from './prompt-bytes.ts';
import { readCallsInFull } from './read-calls-in-full.ts';
import { showState } from './show-state.ts';
import { runText } from './run-text.ts';
import { callsText } from './calls-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface ShowFlags {
  readonly step?: number;
  readonly position?: string;
  readonly prompt?: true;
  readonly state?: true;
  readonly json?: true;
}

export async function showCommand(
  terminal: Terminal,
  id: string,
  flags: ShowFlags,
): Promise<number> {
  const { step, position, prompt, state } = flags;
  if (step !== undefined && position !== undefined)
    throw new WrongUsage('Give --step or --position, not both.');
  if (position !== undefined && !isPosition(position))
    throw new WrongUsage(
      `\`${position}\` is not a position. Positions look like 7, 7.2, 7/repair-1, 7.2/approval.`,
    );
  const at = position ?? (step === undefined ? undefined : modelPosition(step));
  if (prompt === true && at === undefined)
    throw new WrongUsage('--prompt needs --step N or --position POSITION.');
  if (prompt === true && flags.json === true)
    throw new WrongUsage('--prompt prints the bytes that were sent, which are JSON already.');
  if (state === true && at === undefined)
    throw new WrongUsage('--state needs --step N or --position POSITION.');
  if (state === true && prompt === true)
    throw new WrongUsage('Give --state or --prompt, not both: each prints one document.');
  return withConnection(terminal, async ({ belayer, parts }) => {
    const run = await (await belayer.run(id)).status();
    if (at === undefined) return showRun(terminal, parts, run, flags);
    await refuseShared(parts, run, at);
    if (state === true) return showState(terminal, parts, id, { at, isJson: flags.json === true });
    if (prompt === true) {
      const stored = await readPrompt(parts.database, id, at);
      if (stored === undefined) throw nothingAt(id, `was sent to a model at \`${at}\``);
      terminal.out(promptBytes(stored, `\`${at}\` of run \`${id}\``));
      return exitCode.done;
    }
    const calls = await readCallsInFull(parts.database, id, { at, isStep: position === undefined });
    if (calls.length === 0) throw nothingAt(id, `is on record at \`${at}\``);
    if (flags.json === true) outJson(terminal, { run: id, at, calls }, 'document');
    else terminal.out(`${callsText(calls)}\n`);
    return exitCode.done;
  });
}

async function showRun(
  terminal: Terminal,
  { database }: Parts,
  run: Parameters<typeof runText>[0]['run'],
  { json: isJson }: ShowFlags,
): Promise<number> {
  const [attempts, calls, requests, end, flags, forks] = await Promise.all([
    readJournal(database, run.id),
    readCalls(database, run.id),
    requestsOf(database, run.id),
    readEnd(database, run.id),
    readFlags(database),
    readForks(database, run.id),
  ]);
  const stoppedBy = flagOver(flags, run);
  const output = end?.output == null ? undefined : (JSON.parse(end.output) as unknown);
  const shown = {
    run,
    ...(output === undefined ? {} : { output }),
    attempts,
    // Content is shown by step, with where it came from.
    calls: calls.map((call) => ({ ...call, fragment: undefined })),
    requests,
    ...(forks.length === 0 ? {} : { forks }),
  };
  if (isJson === true)
    outJson(terminal, { ...shown, ...(stoppedBy === undefined ? {} : { stoppedBy }) }, 'document');
  else {
    if (stoppedBy !== undefined) terminal.out(`${flagLines([stoppedBy])}\n`);
    terminal.out(`${runText(shown)}\n`);
  }
  return exitCode.done;
}

/** What came before a fork is shown where it happened. */
async function refuseShared({ database }: Parts, run: RunRow, at: Position): Promise<void> {
  const { id, forkAt } = run;
  const holder = await holderOf(database, run, at);
  if (holder === undefined) return;
  throw new BelayerError(
    failureType.requestUnknown,
    `Run \`${id}\` shares what was before \`${forkAt}\`, and its own history begins there: ${holder.isHere ? `belayer show ${holder.run} --position ${at}` : `run \`${holder.run}\` has it, which is not in this database.`}`,
  );
}

const nothingAt = (run: string, what: string): BelayerError =>
  new BelayerError(failureType.requestUnknown, `Nothing ${what} of run \`${run}\`.`);
