/** The clock of the cache, in a test's own database. */
import type { Database } from '../../storage/database.ts';

/** It goes on from there. */
export async function moveCacheClock(database: Database, byMs: number): Promise<void> {
  await database.query({
    text: `create or replace function belayer.cache_now() returns timestamptz language sql volatile as $$ select clock_timestamp() + ${Math.round(byMs)} * interval '1 ms' $$`,
  });
}

/** It stands: no lease runs out, so that what ends was ended. `moveCacheClock` makes it go again. */
export async function stopCacheClock(database: Database): Promise<void> {
  await database.query({
    text: `do $do$ begin execute format('create or replace function belayer.cache_now() returns timestamptz language sql volatile as $$ select %L::timestamptz $$', clock_timestamp()); end $do$`,
  });
}
