/** `belayer cache`: what the client's `cache` does, in words. */
import type { CacheRow } from '../../storage/cache.ts';
import type { ClearCache } from '../cache.ts';
import { moment, usd } from './amounts.ts';
import { exitCode } from './exit-codes.ts';
import { safeLine } from './safe-text.ts';
import { table } from './table.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withPostgres } from './with-connection.ts';

export interface ClearFlags extends ClearCache {
  readonly json?: true;
}

export function showCommand(
  terminal: Terminal,
  { json }: { readonly json?: true },
): Promise<number> {
  return withPostgres(terminal, async ({ belayer }) => {
    const rows = await belayer.cache.show();
    if (json === true) for (const row of rows) outJson(terminal, row, 'line');
    else if (rows.length === 0)
      terminal.note('Nothing is kept. Agents and tools with `cache: { for: ... }` keep.');
    else terminal.out(`${cacheTable(rows)}\n`);
    return exitCode.done;
  });
}

export function clearCommand(terminal: Terminal, { json, ...filter }: ClearFlags): Promise<number> {
  return withPostgres(terminal, async ({ belayer }) => {
    const removed = await belayer.cache.clear(filter);
    if (json === true) outJson(terminal, { removed }, 'document');
    else terminal.out(`${removed} ${removed === 1 ? 'entry was' : 'entries were'} removed.\n`);
    return exitCode.done;
  });
}

const cacheTable = (rows: readonly CacheRow[]): string =>
  table(
    ['AGENT', 'TOOL', 'ENTRIES', 'BYTES', 'HITS', 'SAVED', 'OLDEST (UTC)', 'NEWEST (UTC)'],
    rows.map((row) => [
      safeLine(row.agent, 64),
      row.tool === null ? '-' : safeLine(row.tool, 64),
      String(row.entries),
      String(row.bytes),
      String(row.hits),
      usd(row.savedMicroUsd),
      moment(row.oldestAt),
      moment(row.newestAt),
    ]),
  );
