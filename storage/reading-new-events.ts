import type { RunEvent } from '../contracts/events.ts';
import { limits } from '../contracts/limits.ts';
import type { Database } from './database.ts';

/**
 * What happened in all runs since a moment of the database's clock, in order of time.
 *
 * For someone who looks on, such as `belayer dev`: only the newest 500 runs, and no promise that
 * none is missed. `watch` of one run promises that.
 */
export async function readNewEvents(database: Database, since: Date): Promise<readonly RunEvent[]> {
  const rows = await database.query<{
    run: string;
    number: number;
    at: Date;
    kind: string;
    position: string | null;
    body: object;
  }>(
    {
      name: 'read_new_events',
      text: `select r.id as run, e.number, e.at, e.kind, e.position, e.body
        from (select no, id, ended_at from belayer.run order by no desc limit 500) r
        join belayer.event e on e.run_no = r.no
        where (r.ended_at is null or r.ended_at > $1) and e.at > $1
        order by e.at, r.no, e.number limit $2`,
    },
    [since, limits.watchEventsPerReadMax],
  );
  return rows.map(
    ({ position, body, at, ...row }) =>
      ({
        ...row,
        at: at.toISOString(),
        ...(position === null ? {} : { position }),
        ...body,
      }) as RunEvent,
  );
}
