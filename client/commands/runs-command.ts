import type { RunRow } from '../../storage/reading-runs.ts';
import { moment, usd } from './amounts.ts';
import { exitCode } from './exit-codes.ts';
import { flagLines, withFlag } from './flags-text.ts';
import { safeLine } from './safe-text.ts';
import { table } from './table.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface RunsFlags {
  readonly agent?: string;
  readonly customer?: string;
  readonly open?: true;
  readonly limit: number;
  readonly json?: true;
}

export async function runsCommand(
  terminal: Terminal,
  { json, ...filter }: RunsFlags,
): Promise<number> {
  const { rows, flags } = await withConnection(terminal, async ({ belayer }) => ({
    rows: await belayer.runs(filter),
    flags: await belayer.flags(),
  }));
  // A single run's own flag is in its state.
  const standing = flags.filter(({ scope }) => scope !== 'run');
  if (json !== true && standing.length > 0) terminal.note(flagLines(standing));
  if (json === true) for (const row of rows) outJson(terminal, withFlag(flags, row), 'line');
  else if (rows.length === 0) terminal.note('No runs.');
  else terminal.out(`${runsTable(rows)}\n`);
  return exitCode.done;
}

export const runsTable = (rows: readonly RunRow[]): string =>
  table(
    ['RUN', 'STATE', 'STEPS', 'COST', 'STARTED (UTC)', 'CUSTOMER'],
    rows.map((row) => [
      safeLine(row.id, 100),
      stateOf(row),
      String(row.steps),
      usd(row.costMicroUsd),
      moment(row.createdAt),
      safeLine(row.customer, 40),
    ]),
  );

/** The state, with the reason of a run that stopped, and whether it is of another installation. */
export const stateOf = (run: RunRow): string =>
  run.importedAt === null ? stateHere(run) : `${stateHere(run)}, imported`;

function stateHere({ state, outcome, openRequests, stuck }: RunRow): string {
  if (outcome?.kind === 'stopped') return `stopped (${outcome.because})`;
  if (outcome?.kind === 'failed') return `failed (${safeLine(outcome.failure.type, 40)})`;
  if (stuck !== null) return `${state}, stuck: ${stuck}`;
  if (state !== 'waiting') return state;
  if (openRequests === 0) return 'waiting for a message';
  return `waiting (${openRequests} request${openRequests === 1 ? '' : 's'})`;
}
