/** The clock of windows, moved in a test's own database: it goes on from there. */
import type { Database } from '../../storage/database.ts';

export async function moveBudgetClock(database: Database, byMs: number): Promise<void> {
  await database.query({
    text: `create or replace function belayer.budget_now() returns timestamptz language sql volatile as $$ select clock_timestamp() + ${Math.round(byMs)} * interval '1 ms' $$`,
  });
}

export async function untilHourEndsMs(database: Database): Promise<number> {
  const [row] = await database.query<{ ms: number }>({
    text: `select extract(epoch from date_trunc('hour', clock_timestamp(), 'UTC') + interval '1 hour' - clock_timestamp())::float8 * 1000 as ms`,
  });
  return row?.ms ?? 0;
}
