/** What is measured, against what, and what it should come to. Issue 3, point 12, has the targets. */

/** One run's work. It travels in the first user message, where the provider and the tool read it. */
export interface Work {
  /** Tool calls of one run; a model call stands before each, and one behind the last. */
  readonly toolCalls: number;
  /** Bytes of one tool result. */
  readonly resultBytes: number;
  /** How long the provider waits before it answers. */
  readonly thinkMs: number;
}

/**
 * - `loop`: a hand-written Temporal loop, messages as activity inputs, tools as regular activities.
 * - `loop-near`: the same, tools as local activities.
 * - `belayer`: default placement, models on the queue, read tools near.
 * - `belayer-near`: model calls near as well.
 */
export type Variant = 'loop' | 'loop-near' | 'belayer' | 'belayer-near';
export const variants: readonly Variant[] = ['loop', 'loop-near', 'belayer', 'belayer-near'];
/** What every ratio is a ratio to. */
export const baseline: Variant = 'loop';

export interface Target {
  readonly floor: number;
  /** Absent: the floor is all that was asked for. */
  readonly aim?: number;
}

export interface Workload {
  readonly name: string;
  readonly work: Work;
  readonly concurrency: number;
  /** Runs of one round of one variant. */
  readonly runs: number;
  readonly rounds: number;
  /** Runs of one round that are carried out one at a time, for the latency. */
  readonly runsAlone: number;
  /** Measured by `--quick`. */
  readonly quick: boolean;
  readonly without?: readonly Variant[];
  /** Of ratios to the hand-written loop. More is better for `runsPerSecond`, less for bytes. */
  readonly targets: {
    readonly runsPerSecond?: Partial<Record<Variant, Target>>;
    readonly historyBytes?: Target;
    readonly databaseBytes?: Target;
  };
}

export const workloads: readonly Workload[] = [
  {
    name: '200 B',
    work: { toolCalls: 4, resultBytes: 200, thinkMs: 0 },
    concurrency: 50,
    runs: 150,
    rounds: 3,
    runsAlone: 5,
    quick: true,
    targets: {
      runsPerSecond: {
        belayer: { floor: 1.0, aim: 1.3 },
        'belayer-near': { floor: 1.4, aim: 1.7 },
      },
      historyBytes: { floor: 0.55 },
      databaseBytes: { floor: 1.5 },
    },
  },
  {
    name: '200 B, think 50 ms',
    work: { toolCalls: 4, resultBytes: 200, thinkMs: 50 },
    concurrency: 50,
    runs: 150,
    rounds: 2,
    runsAlone: 5,
    quick: false,
    targets: {
      runsPerSecond: {
        belayer: { floor: 1.2, aim: 1.5 },
        'belayer-near': { floor: 2.0, aim: 2.6 },
      },
    },
  },
  {
    name: '4 KB',
    work: { toolCalls: 4, resultBytes: 4 * 1024, thinkMs: 0 },
    concurrency: 50,
    runs: 120,
    rounds: 1,
    runsAlone: 5,
    quick: false,
    targets: {},
  },
  {
    name: '32 KB',
    work: { toolCalls: 4, resultBytes: 32 * 1024, thinkMs: 0 },
    concurrency: 50,
    runs: 100,
    rounds: 2,
    runsAlone: 5,
    quick: false,
    targets: {
      runsPerSecond: {
        belayer: { floor: 1.5, aim: 1.8 },
        'belayer-near': { floor: 2.2, aim: 2.7 },
      },
      historyBytes: { floor: 0.03 },
      databaseBytes: { floor: 0.7 },
    },
  },
  {
    name: '100 steps of 1 KB',
    work: { toolCalls: 99, resultBytes: 1024, thinkMs: 0 },
    concurrency: 16,
    runs: 16,
    rounds: 2,
    runsAlone: 1,
    quick: false,
    // Half a minute for each variant and round: the one that no target is about is left out.
    without: ['loop-near'],
    targets: {
      runsPerSecond: {
        belayer: { floor: 1.5, aim: 2.0 },
        'belayer-near': { floor: 3.0, aim: 4.5 },
      },
      historyBytes: { floor: 0.03 },
      databaseBytes: { floor: 0.1 },
    },
  },
];

/** Runs whose bytes say whether they grow with the steps: ten times the steps, at most this many times the bytes. */
export const growth = {
  short: { toolCalls: 9, resultBytes: 1024, thinkMs: 0 },
  long: { toolCalls: 99, resultBytes: 1024, thinkMs: 0 },
  timesMax: 12,
} as const;

const mark = 'Work: ';

/** What a run is asked for. */
export const taskOf = (work: Work): string =>
  `Look ${work.toolCalls} records up, one after another, then say that you are done. ${mark}${JSON.stringify(work)}`;

/** @returns undefined where the text is no task of ours. */
export function workOf(task: string): Work | undefined {
  const at = task.indexOf(mark);
  return at < 0 ? undefined : (JSON.parse(task.slice(at + mark.length)) as Work);
}

export const instructions =
  'You look records up for the accounting department. Look up one record at a time, in the order of their numbers, and stop when you have seen as many as you were asked for.';
export const tool = {
  name: 'lookup',
  description: 'Looks a record up by its number.',
} as const;
export const model = 'bench-model';
/** Tokens that one reply may have, for both sides. */
export const outputTokens = 4_096;
