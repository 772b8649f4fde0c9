import type { Position } from '../contracts/positions.ts';
import type { Database } from './database.ts';

/**
 * Whether an earlier attempt at this position ended without anybody knowing what it did. Attempts up
 * to `settled` are known of: a human or a verification said what became of them.
 */
export async function hasUnsettledAttempt(
  database: Database,
  call: {
    readonly runNo: number;
    readonly position: Position;
    readonly before: number;
    readonly settled: number;
  },
): Promise<boolean> {
  const [row] = await database.query<{ found: boolean }>(
    {
      name: 'has_unsettled_attempt',
      text: `select exists (select from belayer.attempt where run_no = $1 and position = $2
        and number < $3 and number > $4 and outcome not in ('ok', 'failed')) as found`,
    },
    [call.runNo, call.position, call.before, call.settled],
  );
  return row?.found ?? false;
}
