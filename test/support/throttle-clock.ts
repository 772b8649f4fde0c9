/** The clock of rates, moved in a test's own database: it goes on from there. */
import type { Database } from '../../storage/database.ts';

export async function moveThrottleClock(database: Database, byMs: number): Promise<void> {
  await database.query({
    text: `create or replace function belayer.throttle_now() returns timestamptz language sql volatile as $$ select clock_timestamp() + ${Math.round(byMs)} * interval '1 ms' $$`,
  });
}

/** The clock of rates stands at this moment, in milliseconds since the epoch. */
export async function throttleClockAt(database: Database, ms: number): Promise<void> {
  await database.query({
    text: `create or replace function belayer.throttle_now() returns timestamptz language sql volatile as $$ select to_timestamp(${ms / 1_000}) $$`,
  });
}
