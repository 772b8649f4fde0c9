/** What was measured, as tables, and held against what it should come to. */
import type { Measurement } from './measure.ts';
import { baseline, growth, type Target, type Variant, type Workload } from './workloads.ts';

export interface WorkloadResult {
  readonly workload: Workload;
  /** Under load: for each round, one measurement of each variant. */
  readonly rounds: readonly (readonly Measurement[])[];
  readonly alone: readonly (readonly Measurement[])[];
}

export interface GrowthResult {
  readonly variant: Variant;
  readonly short: Measurement;
  readonly long: Measurement;
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((left, right) => left - right);
  const half = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1
    ? (sorted[half] ?? Number.NaN)
    : ((sorted[half - 1] ?? Number.NaN) + (sorted[half] ?? Number.NaN)) / 2;
};

type Figure = (measurement: Measurement) => number;

export const figures = {
  runsPerSecond: (of) => of.runsPerSecond,
  historyBytes: (of) => of.historyBytes,
  databaseBytes: (of) => of.temporalBytes + of.postgresBytes,
} satisfies Record<string, Figure>;

const ofVariant = (
  rounds: WorkloadResult['rounds'],
  variant: Variant,
  figure: Figure,
): readonly number[] =>
  rounds.flatMap((round) => round.filter((of) => of.variant === variant).map(figure));

/** In each round, this variant over the hand-written loop of the same round. */
export function ratiosOf(
  rounds: WorkloadResult['rounds'],
  variant: Variant,
  figure: Figure,
): readonly number[] {
  return rounds.flatMap((round) => {
    const base = round.find((of) => of.variant === baseline);
    const own = round.find((of) => of.variant === variant);
    return base === undefined || own === undefined ? [] : [figure(own) / figure(base)];
  });
}

export function renderWorkload(result: WorkloadResult): string {
  const { rounds, alone, workload } = result;
  const present = (rounds[0] ?? []).map((of) => of.variant);
  const ordered = present.toSorted();
  const rows = [...ordered]
    .toSorted((left, right) => order(left) - order(right))
    .map((variant) => {
      const middle = (figure: Figure): number => median(ofVariant(rounds, variant, figure));
      return [
        variant,
        number(middle(figures.runsPerSecond)),
        ratio(median(ratiosOf(rounds, variant, figures.runsPerSecond))),
        number(median(ofVariant(alone, variant, (of) => of.latencyMsMedian))),
        number(middle((of) => of.workerMs)),
        number(middle((of) => of.temporalMs)),
        number(middle((of) => of.postgresMs)),
        number(middle((of) => of.historyEvents)),
        kilobytes(middle(figures.historyBytes)),
        ratio(median(ratiosOf(rounds, variant, figures.historyBytes))),
        kilobytes(middle((of) => of.temporalBytes)),
        kilobytes(middle((of) => of.postgresBytes)),
        ratio(median(ratiosOf(rounds, variant, figures.databaseBytes))),
      ];
    });
  const { toolCalls } = workload.work;
  return [
    `${workload.name}: ${toolCalls + 1} model calls and ${toolCalls} tool calls a run, ${workload.concurrency} runs at once, ${rounds.length} rounds of ${workload.runs} runs`,
    table(
      ['', 'runs/s', 'ratio', 'alone ms', 'worker', 'temporal', 'postgres', 'events', 'history', 'ratio', 'temporal', 'postgres', 'ratio'], // prettier-ignore
      rows,
      ['', '', '', '', 'CPU ms', 'CPU ms', 'CPU ms', '', 'KB', '', 'KB', 'KB', ''],
    ),
  ].join('\n');
}

const order = (variant: Variant): number =>
  ['loop', 'loop-near', 'belayer', 'belayer-near'].indexOf(variant);

export interface Judged {
  readonly workload: string;
  readonly figure: string;
  readonly variant: Variant;
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
  readonly floor: number;
  readonly aim?: number;
  readonly reached: 'aim' | 'floor' | 'no';
}

export function judge(results: readonly WorkloadResult[]): readonly Judged[] {
  return results.flatMap(({ workload, rounds }) => {
    const { targets } = workload;
    const one = (
      variant: Variant,
      figure: keyof typeof figures,
      target: Target | undefined,
    ): readonly Judged[] => {
      const ratios = ratiosOf(rounds, variant, figures[figure]);
      if (target === undefined || ratios.length === 0) return [];
      const middle = median(ratios);
      const meets = (wanted: number): boolean =>
        figure === 'runsPerSecond' ? middle >= wanted : middle <= wanted;
      return [
        {
          workload: workload.name,
          figure,
          variant,
          ratio: middle,
          lowest: Math.min(...ratios),
          highest: Math.max(...ratios),
          ...target,
          reached:
            target.aim !== undefined && meets(target.aim)
              ? 'aim'
              : meets(target.floor)
                ? 'floor'
                : 'no',
        },
      ];
    };
    return (['belayer', 'belayer-near'] as const).flatMap((variant) => [
      ...one(variant, 'runsPerSecond', targets.runsPerSecond?.[variant]),
      ...one(variant, 'historyBytes', targets.historyBytes),
      ...one(variant, 'databaseBytes', targets.databaseBytes),
    ]);
  });
}

const sign = { runsPerSecond: '>=', historyBytes: '<=', databaseBytes: '<=' } as const;

export function renderJudged(judged: readonly Judged[]): string {
  return table(
    ['workload', 'variant', 'figure', 'ratio', 'lowest..highest', 'floor', 'aim', 'reached'],
    judged.map((of) => {
      const compare = sign[of.figure as keyof typeof sign];
      return [
        of.workload,
        of.variant,
        of.figure,
        ratio(of.ratio),
        `${ratio(of.lowest)}..${ratio(of.highest)}`,
        `${compare} ${of.floor}`,
        of.aim === undefined ? '' : `${compare} ${of.aim}`,
        of.reached,
      ];
    }),
  );
}

export function renderGrowth(results: readonly GrowthResult[]): string {
  return [
    `Growth: bytes of a run of ${growth.long.toolCalls + 1} steps over those of a run of ${growth.short.toolCalls + 1}, results of 1 KB; at most ${growth.timesMax} times`,
    table(
      ['', 'history KB', 'times', 'postgres KB', 'times', 'temporal KB', 'times', 'reached'],
      results.map(({ variant, short, long }) => {
        const pair = (figure: Figure): readonly string[] => [
          `${kilobytes(figure(short))} -> ${kilobytes(figure(long))}`,
          ratio(figure(long) / figure(short)),
        ];
        const holds = [figures.historyBytes, (of: Measurement) => of.postgresBytes].every(
          (figure) => figure(long) / figure(short) <= growth.timesMax,
        );
        return [
          variant,
          ...pair(figures.historyBytes),
          ...pair((of) => of.postgresBytes),
          ...pair((of) => of.temporalBytes),
          holds ? 'yes' : 'no',
        ];
      }),
    ),
  ].join('\n');
}

const number = (value: number): string =>
  Number.isNaN(value) ? '-' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
const ratio = (value: number): string =>
  Number.isNaN(value) ? '-' : value >= 10 ? value.toFixed(1) : value.toFixed(value < 0.1 ? 3 : 2);
const kilobytes = (bytes: number): string => number(bytes / 1024);

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  units?: readonly string[],
): string {
  const lines = [head, ...(units === undefined ? [] : [units]), ...rows];
  const widths = head.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
