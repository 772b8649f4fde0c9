/** What a campaign amounted to, in numbers. */
import type { Conductor } from './conductor.ts';
import type { Evidence } from './evidence.ts';
import type { HaltsJudged } from './judge-halts.ts';
import type { RerunFigures } from './rerun-strictly.ts';

/** Times, of so many. */
export interface Lives {
  readonly count: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

export interface Figures {
  readonly runs: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly runsPerSecond: number;
  readonly prompts: number;
  /** What models were told of their tool calls, by status. */
  readonly told: Readonly<Record<string, number>>;
  /** Runs that met a failing tool call, whatever became of it. */
  readonly runsThatMetAFault: number;
  readonly toolRequests: number;
  readonly toolRequestsByConduct: Readonly<Record<string, number>>;
  readonly calamities: Readonly<Record<string, number>>;
  readonly decisions: Readonly<Record<string, number>>;
  readonly overtakenAttempts: number;
  readonly continuedAsNew: number;
  /** Halts that were accepted within `besideMs` of it. */
  readonly haltsAtContinueAsNew: number;
  readonly haltsAccepted: number;
  readonly haltsAsked: Readonly<Record<string, number>>;
  readonly readsSoonAfterHalt: number;
  readonly livesAfterHalt: { readonly models: Lives; readonly tools: Lives };
  /** The longest time that each run was silent, waits for humans left out. */
  readonly silences: Lives;
  readonly inTheWindow: readonly string[];
  readonly reruns?: RerunFigures;
}

const besideMs = 50;

export function figuresOf(of: {
  readonly evidence: Evidence;
  readonly halts: HaltsJudged;
  readonly conductor: Conductor;
  readonly inTheWindow: readonly string[];
}): Figures {
  const { evidence, halts, conductor } = of;
  const { carried, runs, attempts } = evidence;
  const arrivals = [...evidence.stage.service.books.values()].flatMap((book) => book.arrivals);
  return {
    runs: runs.length,
    outcomes: tally(
      runs.map(({ outcome, ended }) =>
        outcome?.kind === 'stopped'
          ? outcome.because
          : (outcome?.kind ?? (ended ? 'ended' : 'waiting')),
      ),
    ),
    runsPerSecond: runs.length / (carried.tookMs / 1_000),
    prompts: carried.driver.prompts.length,
    told: tally([...carried.driver.told.values()].flat().map(({ status }) => status)),
    runsThatMetAFault: new Set(
      attempts
        .filter(({ kind, outcome }) => kind === 'tool' && outcome !== 'ok')
        .map(({ run }) => run),
    ).size,
    toolRequests: arrivals.length,
    toolRequestsByConduct: tally(arrivals.map(({ conduct }) => conduct)),
    calamities: tally(conductor.struck.map(({ kind }) => kind)),
    decisions: tally(carried.human.decisions.map(({ kind, verdict }) => `${kind} ${verdict}`)),
    overtakenAttempts: attempts.filter(({ outcome }) => outcome === 'lost' || outcome === 'late')
      .length,
    continuedAsNew: evidence.continuedAsNew.length,
    haltsAtContinueAsNew: evidence.continuedAsNew.filter(
      ({ run, atMs }) => Math.abs(atMs - (evidence.haltedAt.get(run) ?? 0)) <= besideMs,
    ).length,
    haltsAccepted: halts.accepted,
    haltsAsked: tally(carried.halter.halts.map(({ during }) => during)),
    readsSoonAfterHalt: halts.readsSoonAfter,
    livesAfterHalt: { models: livesOf(halts.lives.models), tools: livesOf(halts.lives.tools) },
    silences: livesOf(evidence.silencesMs),
    inTheWindow: of.inTheWindow,
  };
}

/** Of times in ascending order. */
function livesOf(times: readonly number[]): Lives {
  const at = (share: number): number =>
    Math.round(times[Math.floor(share * (times.length - 1))] ?? 0);
  return { count: times.length, medianMs: at(0.5), p95Ms: at(0.95), maxMs: at(1) };
}

function tally(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
