/** `belayer replay --since` and `--gate`: many runs, one verdict. */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { readDuration } from '../../definitions/duration.ts';
import { runsToReplay } from '../../storage/runs-to-replay.ts';
import { differenceText } from '../../testing/replay/difference-text.ts';
import type { Parts } from '../parts.ts';
import { exitCode, isBelayerError, WrongUsage } from './exit-codes.ts';
import { historyOfRun } from '../recordings/history-of-run.ts';
import { differs, junitText } from './junit-text.ts';
import type { ReplayFlags } from './replay-command.ts';
import { replayRuns, type RunToReplay, type Verdict } from './replay-runs.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export async function replayMany(terminal: Terminal, flags: ReplayFlags): Promise<number> {
  const sinceMs = sinceOf(flags);
  const msMax = flags.minutes === undefined ? limits.replayMsDefault : flags.minutes * 60_000;
  if (msMax > limits.replayMsMax)
    throw new WrongUsage(
      `--minutes is ${flags.minutes}; at most ${limits.replayMsMax / 60_000} are allowed.`,
    );
  return withConnection(terminal, async ({ parts }) => {
    const runs = await runsToReplay(parts.database, {
      last: Math.min(flags.last ?? limits.replayRunsMax, limits.replayRunsMax),
      ...(flags.agent === undefined ? {} : { agent: flags.agent }),
      ...(sinceMs === undefined ? {} : { since: new Date(Date.now() - sinceMs) }),
      ...(flags.sample === undefined ? {} : { sample: flags.sample }),
    });
    const verdicts: Verdict[] = [];
    const progress = setInterval(() => {
      const different = verdicts.filter(differs).length;
      terminal.note(`${verdicts.length} of ${runs.length} runs, ${different} differ`);
    }, limits.replayProgressEveryMs);
    try {
      await replayRuns({
        runs,
        processes: Math.min(flags.cores ?? availableParallelism(), limits.replayProcessesMax),
        msMax,
        fetch: (run) => fetchJson(parts, run),
        onVerdict: (verdict) => {
          verdicts.push(verdict);
          tell(terminal, verdict, flags.json === true);
        },
      });
    } finally {
      clearInterval(progress);
    }
    if (flags.junit !== undefined) writeReport(terminal, flags.junit, verdicts);
    return conclude(terminal, runs, verdicts, flags);
  });
}

function sinceOf({ since }: ReplayFlags): number | undefined {
  if (since === undefined) return undefined;
  const read = readDuration(since, {
    maxMs: limits.replaySinceMsMax,
    maxName: 'replaySinceMsMax',
  });
  if ('problem' in read) throw new WrongUsage(`--since: ${read.problem}.`);
  return read.ms;
}

const notHeld = new Set<string>([
  failureType.runUnknown,
  failureType.recordingExpired,
  failureType.recordingDamaged,
]);

async function fetchJson(
  parts: Parts,
  run: string,
): Promise<{ readonly json: string } | { readonly gone: string }> {
  try {
    return { json: JSON.stringify(await historyOfRun(parts, run)) };
  } catch (error) {
    if (isBelayerError(error) && notHeld.has(error.type)) return { gone: error.message };
    throw error;
  }
}

function tell(terminal: Terminal, verdict: Verdict, isJson: boolean): void {
  if (isJson) {
    outJson(terminal, verdict, 'line');
    return;
  }
  switch (verdict.kind) {
    case 'replayed': {
      const { difference } = verdict.replayed;
      if (difference !== undefined) terminal.out(`${safeText(differenceText(difference))}\n`);
      return;
    }
    case 'not-held':
      return terminal.note(safeText(`Not held: ${verdict.because}`));
    case 'failed':
      return terminal.out(safeText(`Run ${verdict.id} was not replayed: ${verdict.because}\n`));
    case 'not-reached':
      return;
    default:
      return verdict satisfies never;
  }
}

function writeReport(terminal: Terminal, file: string, verdicts: readonly Verdict[]): void {
  const path = resolve(terminal.folder, file);
  try {
    writeFileSync(path, junitText(verdicts));
  } catch (error) {
    throw new WrongUsage(`${path} cannot be written: ${(error as Error).message}`);
  }
}

/** Nothing that was replayed proves nothing: a gate says so. */
function conclude(
  terminal: Terminal,
  runs: readonly RunToReplay[],
  verdicts: readonly Verdict[],
  { gate, allowEmpty }: ReplayFlags,
): number {
  const count = (kind: Verdict['kind']): number =>
    verdicts.filter((verdict) => verdict.kind === kind).length;
  const [replayed, failed] = [count('replayed'), count('failed')];
  const different = verdicts.filter(differs).length;
  const parts = [
    `${runs.length} run${runs.length === 1 ? '' : 's'}: ${replayed - different} replay`,
    `${different} differ`,
  ];
  if (count('not-held') > 0) parts.push(`${count('not-held')} not held any more`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (count('not-reached') > 0) parts.push(`${count('not-reached')} not reached in time`);
  terminal.note(`${parts.join(', ')}.`);
  if (different > 0 || failed > 0) return exitCode.failed;
  if (replayed === 0 && gate === true && allowEmpty !== true) {
    terminal.note('Nothing was replayed, so nothing is known. --allow-empty lets that pass.');
    return exitCode.failed;
  }
  return exitCode.done;
}
