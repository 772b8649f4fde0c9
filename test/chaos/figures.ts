/** What a campaign amounted to, in numbers. */
import type { Conductor } from './conductor.ts';
import type { Evidence } from './evidence.ts';
import type { HaltsJudged } from './judge-halts.ts';

export interface Lives {
  readonly calls: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

export interface Figures {
  readonly runs: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly runsPerSecond: number;
  readonly prompts: number;
  readonly toolRequests: number;
  readonly toolRequestsByConduct: Readonly<Record<string, number>>;
  readonly calamities: Readonly<Record<string, number>>;
  readonly decisions: Readonly<Record<string, number>>;
  readonly overtakenAttempts: number;
  readonly continuedAsNew: number;
  readonly haltsAccepted: number;
  readonly haltsAsked: Readonly<Record<string, number>>;
  readonly readsSoonAfterHalt: number;
  readonly livesAfterHalt: { readonly models: Lives; readonly tools: Lives };
  readonly inTheWindow: readonly string[];
}

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
    toolRequests: arrivals.length,
    toolRequestsByConduct: tally(arrivals.map(({ conduct }) => conduct)),
    calamities: tally(conductor.struck.map(({ kind }) => kind)),
    decisions: tally(carried.human.decisions.map(({ kind, verdict }) => `${kind} ${verdict}`)),
    overtakenAttempts: attempts.filter(({ outcome }) => outcome === 'lost' || outcome === 'late')
      .length,
    continuedAsNew: evidence.continuedAsNew,
    haltsAccepted: halts.accepted,
    haltsAsked: tally(carried.halter.halts.map(({ during }) => during)),
    readsSoonAfterHalt: halts.readsSoonAfter,
    livesAfterHalt: { models: livesOf(halts.lives.models), tools: livesOf(halts.lives.tools) },
    inTheWindow: of.inTheWindow,
  };
}

/** Of times in ascending order. */
function livesOf(times: readonly number[]): Lives {
  const at = (share: number): number =>
    Math.round(times[Math.floor(share * (times.length - 1))] ?? 0);
  return { calls: times.length, medianMs: at(0.5), p95Ms: at(0.95), maxMs: at(1) };
}

function tally(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
