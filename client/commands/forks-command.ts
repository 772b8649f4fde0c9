/** `belayer forks`: the tree of runs that share a beginning. */
import { readForkTree } from '../../storage/forks/fork-tree.ts';
import type { RunRow } from '../../storage/reading-runs.ts';
import { usd } from './amounts.ts';
import { exitCode } from './exit-codes.ts';
import { forkPoint } from './run-text.ts';
import { stateOf } from './runs-command.ts';
import { safeLine } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export async function forksCommand(
  terminal: Terminal,
  run: string,
  { json }: { readonly json?: true },
): Promise<number> {
  const rows = await withConnection(terminal, async ({ belayer, parts }) => {
    await belayer.run(run);
    return readForkTree(parts.database, run);
  });
  if (json === true) for (const row of rows) outJson(terminal, row, 'line');
  else terminal.out(`${forksText(rows, run)}\n`);
  return exitCode.done;
}

/** One line for each run, under the one that it was forked from. `shown` is marked. */
export function forksText(rows: readonly RunRow[], shown: string): string {
  const ids = new Set(rows.map(({ id }) => id));
  const forksOf = new Map<string, RunRow[]>();
  for (const row of rows) {
    const parent = row.forkOf !== null && ids.has(row.forkOf) ? row.forkOf : '';
    const forks = forksOf.get(parent);
    if (forks === undefined) forksOf.set(parent, [row]);
    else forks.push(row);
  }
  const lines: string[] = [];
  // A list in place of recursion: a chain of forks may be longer than a stack is deep.
  const open = (forksOf.get('') ?? []).map((row) => ({ row, indent: '' }));
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const { row, indent } = next;
    const point = row.forkOf === null ? '' : `  ${forkPoint(row)}`;
    lines.push(
      `${indent}${safeLine(row.id, 300)}${point}  ${stateOf(row)}  ${usd(row.costMicroUsd)}${row.id === shown ? '  <' : ''}`,
    );
    const below = (forksOf.get(row.id) ?? []).map((fork) => ({ row: fork, indent: `${indent}  ` }));
    open.unshift(...below);
  }
  return lines.join('\n');
}
