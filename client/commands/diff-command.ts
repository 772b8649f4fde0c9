import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { isPosition, stepOf } from '../../contracts/positions.ts';
import { runUnknown } from '../../storage/ledger.ts';
import { diffRuns, type DiffSide } from '../diff/diff-runs.ts';
import type { RunDiff } from '../diff/run-diff.ts';
import { diffText, someCallsText } from './diff-text.ts';
import { exitCode, isBelayerError, WrongUsage } from './exit-codes.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withPostgres } from './with-connection.ts';

export interface DiffFlags {
  readonly all?: true;
  readonly step?: number;
  readonly position?: string;
  readonly json?: true;
}

/** Where nobody reads it as it comes: a usual window. */
const widthDefault = 100;

/** Ends with 1 when anything differs, like `diff`. */
export async function diffCommand(
  terminal: Terminal,
  sides: readonly [string, string],
  flags: DiffFlags,
): Promise<number> {
  const { step, position } = flags;
  if (step !== undefined && position !== undefined)
    throw new WrongUsage('Give --step or --position, not both.');
  if (position !== undefined && !isPosition(position))
    throw new WrongUsage(
      `\`${position}\` is not a position. Positions look like 7, 7.2, 7/repair-1, 7.2/approval.`,
    );
  const [a, b] = [sideOf(terminal, sides[0]), sideOf(terminal, sides[1])];
  const diff = await read(terminal, a, b).catch((error: unknown) => {
    if (!isBelayerError(error)) throw error;
    // Not 1, which says that runs differ.
    if (error.type === failureType.recordingDamaged)
      throw new BelayerError(failureType.inputRejected, error.message, { cause: error });
    const unknown = [a, b]
      .filter((side) => typeof side === 'string')
      .find((side) => error.message === runUnknown(side).message);
    if (error.type !== failureType.runUnknown || unknown === undefined) throw error;
    throw new BelayerError(
      failureType.runUnknown,
      `There is neither a run \`${unknown}\` in this database nor a file of that name. \`belayer runs\` lists runs.`,
      { cause: error },
    );
  });
  const isPart = step !== undefined || position !== undefined;
  const shown = isPart ? partOf(diff, flags) : diff;
  if (flags.json === true)
    outJson(terminal, isPart || flags.all === true ? shown : fromParting(shown), 'document');
  else {
    const style = { width: terminal.columns ?? widthDefault, isWhole: isPart || flags.all === true };
    terminal.out(`${(isPart ? someCallsText : diffText)(shown, style)}\n`);
  } // prettier-ignore
  const differs = isPart
    ? shown.calls.some(({ differences }) => differences.length > 0)
    : !diff.same;
  return differs ? exitCode.failed : exitCode.done;
}

/** Two files need no server. */
const read = (terminal: Terminal, a: DiffSide, b: DiffSide): Promise<RunDiff> =>
  typeof a === 'string' || typeof b === 'string'
    ? withPostgres(terminal, ({ belayer }) => belayer.diff(a, b))
    : diffRuns(undefined, a, b);

/** A file that exists, `FILE#RUN` for one of the runs in it, else the id of a run. */
function sideOf(terminal: Terminal, word: string): DiffSide {
  const whole = fileOf(terminal, word);
  if (whole !== undefined) return { recording: whole, name: resolve(terminal.folder, word) };
  const at = word.lastIndexOf('#');
  const file = word.slice(0, Math.max(at, 0));
  const recording = file === '' ? undefined : fileOf(terminal, file);
  if (recording === undefined) return word;
  return { recording, run: word.slice(at + 1), name: resolve(terminal.folder, file) };
}

function fileOf(terminal: Terminal, name: string): Buffer | undefined {
  const path = resolve(terminal.folder, name);
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
    return readFileSync(path);
  } catch (error) {
    throw new WrongUsage(`${path} cannot be read: ${(error as Error).message}`);
  }
}

function partOf(diff: RunDiff, { step, position }: DiffFlags): RunDiff {
  const calls = diff.calls.filter((call) =>
    position === undefined
      ? stepOf(call.position) === step
      : call.position === position || call.position.startsWith(`${position}/`),
  );
  if (calls.length === 0)
    throw new BelayerError(
      failureType.requestUnknown,
      `Nothing is on record at \`${position ?? String(step)}\` of either run.`,
    );
  return { ...diff, calls };
}

function fromParting(diff: RunDiff): RunDiff {
  const parting = diff.calls.findIndex(({ differences }) => differences.length > 0);
  return { ...diff, calls: parting < 0 ? [] : diff.calls.slice(parting) };
}
