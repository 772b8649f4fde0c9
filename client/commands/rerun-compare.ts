/** `belayer rerun --compare`: two result files, run by run. */
import type { RerunResult } from '../../testing/rerun/rerun-result.ts';
import { usd } from './amounts.ts';
import { exitCode } from './exit-codes.ts';
import { readResults } from './rerun-results.ts';
import { safeText } from './safe-text.ts';
import { table } from './table.ts';
import { outJson, type Terminal } from './terminal.ts';

interface Comparison {
  readonly run: string;
  readonly verdict?: Change;
  /** SHA-256 of what the rerun gave, or how it ended. */
  readonly output?: Change;
  readonly costMicroUsd?: { readonly before: number; readonly after: number };
  /** In one of the files alone. */
  readonly only?: 'first' | 'second';
}

interface Change {
  readonly before: string;
  readonly after: string;
}

/** Ends with 1 where any run changed its verdict, its output or its cost, or is in one file alone. */
export function compareResults(
  terminal: Terminal,
  [first = '', second = '']: readonly string[],
  { json }: { readonly json?: true },
): number {
  const [before, after] = [readResults(terminal, first), readResults(terminal, second)];
  const runs = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  const changed = runs.flatMap((run) => {
    const found = comparison(run, before.get(run), after.get(run));
    return found === undefined ? [] : [found];
  });
  if (json === true) for (const one of changed) outJson(terminal, one, 'line');
  else if (changed.length > 0) terminal.out(`${safeText(changesText(changed))}\n`);
  terminal.note(`${runs.length} runs, ${changed.length} changed.`);
  return changed.length === 0 ? exitCode.done : exitCode.failed;
}

function comparison(
  run: string,
  before: RerunResult | undefined,
  after: RerunResult | undefined,
): Comparison | undefined {
  if (before === undefined) return { run, only: 'second' };
  if (after === undefined) return { run, only: 'first' };
  const verdict = changeOf(before.verdict, after.verdict);
  const output = changeOf(outputOf(before), outputOf(after));
  const [costBefore, costAfter] = [before.cost.afterMicroUsd, after.cost.afterMicroUsd];
  const found: Comparison = {
    run,
    ...(verdict === undefined ? {} : { verdict }),
    ...(output === undefined ? {} : { output }),
    ...(costBefore === costAfter ? {} : { costMicroUsd: { before: costBefore, after: costAfter } }),
  };
  return Object.keys(found).length === 1 ? undefined : found;
}

const changeOf = (before: string, after: string): Change | undefined =>
  before === after ? undefined : { before, after };

const outputOf = ({ output, outcome }: RerunResult): string =>
  output.now?.hash ?? outcome.now ?? 'none';

function changesText(changed: readonly Comparison[]): string {
  const shown = (change: Change | undefined, cut = 60): string =>
    change === undefined ? '' : `${change.before.slice(0, cut)} → ${change.after.slice(0, cut)}`;
  return table(
    ['run', 'verdict', 'output', 'cost'],
    changed.map(({ run, verdict, output, costMicroUsd, only }) => [
      run,
      only === undefined ? shown(verdict) : `only in the ${only} file`,
      shown(output, 12),
      costMicroUsd === undefined ? '' : `${usd(costMicroUsd.before)} → ${usd(costMicroUsd.after)}`,
    ]),
  );
}
