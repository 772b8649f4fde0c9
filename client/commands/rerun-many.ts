/** `belayer rerun --since`: a regression suite made of what really happened. */
import { failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { readDuration } from '../../definitions/duration.ts';
import { runsToRerun } from '../../storage/runs-to-rerun.ts';
import type { RerunResult } from '../../testing/rerun/rerun-result.ts';
import { eachAtOnce } from '../each-at-once.ts';
import type { Parts } from '../parts.ts';
import { recordingOfRun } from '../recordings/recording-of-run.ts';
import { exitCode, isBelayerError, WrongUsage } from './exit-codes.ts';
import { type Reruns, withReruns } from './load-rerun.ts';
import { optionsOf, type RerunFlags } from './rerun-flags.ts';
import { byRun, flatResults, writeResults } from './rerun-results.ts';
import { isSame, summaryText, verdictWords } from './rerun-text.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

interface RunToRerun {
  readonly id: string;
  readonly agent: string;
}

export async function rerunMany(
  terminal: Terminal,
  flags: RerunFlags,
  signal: AbortSignal,
): Promise<number> {
  const sinceMs = durationOf('--since', flags.since);
  const untilMs = flags.until === undefined ? undefined : durationOf('--until', flags.until);
  if (untilMs !== undefined && untilMs >= sinceMs)
    throw new WrongUsage('--until must be shorter ago than --since: no run began in between.');
  return withReruns(terminal, flags.app, optionsOf(terminal, flags, signal), (reruns) =>
    withConnection(terminal, async ({ parts }) => {
      const nowMs = Date.now();
      const runs = await runsToRerun(parts.database, {
        since: new Date(nowMs - sinceMs),
        ...(untilMs === undefined ? {} : { until: new Date(nowMs - untilMs) }),
        ...(flags.agent === undefined ? {} : { agent: flags.agent }),
        ...(flags.customer === undefined ? {} : { customer: flags.customer }),
        sample: {
          runs: Math.min(flags.sample ?? limits.rerunRunsMax, limits.rerunRunsMax),
          seed: flags.seed ?? 1,
        },
      });
      const { results, isWhole } = await rerunAll({
        terminal,
        flags,
        reruns,
        parts,
        runs,
        signal,
      });
      return conclude(terminal, byRun(results), flags, isWhole);
    }),
  );
}

function durationOf(option: string, text: string | undefined): number {
  const read = readDuration(text, { maxMs: limits.replaySinceMsMax, maxName: 'replaySinceMsMax' });
  if ('problem' in read) throw new WrongUsage(`${option}: ${read.problem}.`);
  return read.ms;
}

interface Batch {
  readonly terminal: Terminal;
  readonly flags: RerunFlags;
  readonly reruns: Reruns;
  readonly parts: Parts;
  readonly runs: readonly RunToRerun[];
  readonly signal: AbortSignal;
}

/** So many at once; none is started any more when the ceiling of live calls is reached. */
async function rerunAll({ terminal, flags, reruns, parts, runs, signal }: Batch) {
  const ceilingMicroUsd =
    flags.maxCostUsd === undefined
      ? limits.rerunCostMicroUsdDefault
      : Math.round(flags.maxCostUsd * 1_000_000);
  const results: RerunResult[] = [];
  let done = 0;
  let spentMicroUsd = 0;
  let isWhole = true;
  const work = async (run: RunToRerun): Promise<void> => {
    if (spentMicroUsd >= ceilingMicroUsd) {
      isWhole = false;
      results.push(
        unread(run, flags, 'Not started: the ceiling of live calls was reached (--max-cost-usd).'),
      );
    } else {
      const found = await rerunStored({ reruns, parts, flags }, run).catch((error: unknown) => {
        if (signal.aborted || isBelayerError(error)) throw error;
        isWhole = false;
        return [
          unread(
            run,
            flags,
            `The rerun failed: ${error instanceof Error ? error.message : String(error)}`,
          ),
        ];
      });
      for (const result of found) {
        results.push(result);
        spentMicroUsd += result.cost.liveMicroUsd;
      }
    }
    done += 1;
  };
  const progress = setInterval(
    () => terminal.note(progressText(done, runs.length, results)),
    limits.replayProgressEveryMs,
  );
  try {
    await eachAtOnce(runs, flags.atOnce ?? limits.rerunAtOnceCallsDefault, work);
  } finally {
    clearInterval(progress);
  }
  return { results, isWhole };
}

/** Sub-agents' runs have results of their own: they are counted beside the runs. Exported for tests. */
export function progressText(
  done: number,
  all: number,
  results: readonly Pick<RerunResult, 'verdict'>[],
): string {
  const counts = Object.entries(verdictWords).flatMap(([verdict, words]) => {
    const count = results.filter((result) => result.verdict === verdict).length;
    return count === 0 ? [] : [`${count} ${verdict === 'open' ? 'open' : words}`];
  });
  const others = results.length - done;
  const beside = others === 0 ? '' : ` and ${others} of sub-agents`;
  return `${done} of ${all} runs${beside}${counts.length === 0 ? '' : `: ${counts.join(', ')}`}`;
}

/** What is the matter with one run's recording, and not with all of them. */
const ofOneRun = new Set<string>([
  failureType.runUnknown,
  failureType.recordingExpired,
  failureType.recordingDamaged,
  failureType.contentRedacted,
  failureType.inputRejected,
]);

async function rerunStored(
  { reruns, parts, flags }: Pick<Batch, 'reruns' | 'parts' | 'flags'>,
  run: RunToRerun,
): Promise<readonly RerunResult[]> {
  try {
    return flatResults(await reruns.rerun(await recordingOfRun(parts, run.id)));
  } catch (error) {
    if (!isBelayerError(error) || !ofOneRun.has(error.type)) throw error;
    return [unread(run, flags, error.message)];
  }
}

/** Of a run whose recording was not even read. */
const unread = ({ id, agent }: RunToRerun, { mode }: RerunFlags, because: string): RerunResult => ({
  run: id,
  agent,
  mode,
  verdict: 'not-rerun',
  because,
  outcome: { recorded: 'unknown' },
  output: {},
  steps: { recorded: 0, now: 0 },
  cost: { beforeMicroUsd: 0, beforeTokens: 0, afterMicroUsd: 0, afterTokens: 0, liveMicroUsd: 0 },
  calls: [],
});

/** Nothing that was rerun shows nothing, and what was not started is not known to be the same. */
function conclude(
  terminal: Terminal,
  results: readonly RerunResult[],
  flags: RerunFlags,
  isWhole: boolean,
): number {
  if (flags.out !== undefined) writeResults(terminal, flags.out, results);
  if (flags.json === true) for (const result of results) outJson(terminal, result, 'line');
  const summary = safeText(summaryText(results));
  if (flags.json === true) terminal.note(summary);
  else terminal.out(`${summary}\n`);
  const known = results.filter(({ verdict }) => verdict !== 'not-rerun');
  if (known.length === 0) terminal.note('Nothing was rerun, so nothing is known.');
  const isFine = known.length > 0 && known.every(isSame) && isWhole;
  return isFine ? exitCode.done : exitCode.failed;
}
