/** `belayer costs`: what the client's `costs` gives, as a table or as lines. */
import type { CostKey, CostRow, CostSums } from '../../storage/costs.ts';
import { moment, usd } from './amounts.ts';
import { exitCode } from './exit-codes.ts';
import { safeLine } from './safe-text.ts';
import { table } from './table.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withPostgres } from './with-connection.ts';

export interface CostsFlags {
  readonly by?: readonly string[];
  readonly since?: string;
  readonly until?: string;
  readonly customer?: string;
  readonly agent?: string;
  readonly limit?: number;
  readonly json?: true;
}

export function costsCommand(terminal: Terminal, flags: CostsFlags): Promise<number> {
  const { json, by, ...more } = flags;
  return withPostgres(terminal, async ({ belayer }) => {
    const costs = await belayer.costs({
      ...more,
      // What is none is refused there, with what there is.
      ...(by === undefined ? {} : { by: by as readonly CostKey[] }),
    });
    const span = `from ${moment(costs.since)} to ${moment(costs.until)} UTC`;
    if (json === true) for (const row of costs.rows) outJson(terminal, row, 'line');
    else if (costs.rows.length === 0) terminal.note(`No call is on record ${span}.`);
    else terminal.out(`${costsTable(costs.by, costs.rows, costs.total)}\n`);
    if (json !== true && costs.rows.length > 0) terminal.note(`Calls that began ${span}.`);
    if (costs.left > 0)
      terminal.note(`${costs.left} more groups are not listed: --limit ${costs.rows.length + costs.left}`); // prettier-ignore
    return exitCode.done;
  });
}

function costsTable(by: readonly CostKey[], rows: readonly CostRow[], total: CostSums): string {
  return table(
    [...by.map((key) => (key === 'day' ? 'DAY (UTC)' : key.toUpperCase())), 'SPENT', 'UNPROVEN', 'TOOLS', 'INPUT', 'CACHED', 'OUTPUT', 'CALLS', 'TOOL CALLS', 'RUNS', 'SAVED: CACHE', 'ROUTING', 'SHORT CIRCUIT'], // prettier-ignore
    [
      ...rows.map((row) => [...by.map((key) => nameOf(key, row[key])), ...cells(row)]),
      ...(rows.length > 1
        ? [[...by.map((_, index) => (index === 0 ? 'TOTAL' : '')), ...cells(total)]]
        : []),
    ],
  );
}

/** Empty and null are the group of those that have none. */
const nameOf = (key: CostKey, value: string | null | undefined): string =>
  value === null || value === undefined || value === ''
    ? key === 'tool' ? '- (models)' : key === 'model' ? '- (tools)' : '-' // prettier-ignore
    : safeLine(value, 128);

const cells = (sums: CostSums): string[] => [
  usd(sums.costMicroUsd),
  orDash(sums.unprovenMicroUsd),
  orDash(sums.toolsMicroUsd),
  String(sums.inputTokens),
  String(sums.cachedInputTokens),
  String(sums.outputTokens),
  String(sums.modelCalls),
  String(sums.toolCalls),
  String(sums.runs),
  orDash(sums.savedMicroUsd.cache),
  orDash(sums.savedMicroUsd.routing),
  orDash(sums.savedMicroUsd['short-circuit']),
];

const orDash = (microUsd: number): string => (microUsd === 0 ? '-' : usd(microUsd));
