import type { RunEvent } from '../contracts/events.ts';
import { limits } from '../contracts/limits.ts';
import type { Database } from './database.ts';
import { runUnknown } from './ledger.ts';

/** Events of a run after `seen`, in order, at most `limits.watchEventsPerReadMax`. */
export async function readEvents(
  database: Database,
  { run, no }: { readonly run: string; readonly no: number },
  seen: number,
): Promise<readonly RunEvent[]> {
  const rows = await database.query<{
    number: number;
    at: Date;
    kind: string;
    position: string | null;
    body: object;
  }>(
    {
      name: 'read_events',
      text: `select number, at, kind, position, body from belayer.event
        where run_no = $1 and number > $2 order by number limit $3`,
    },
    [no, seen, limits.watchEventsPerReadMax],
  );
  return rows.map(
    (row) =>
      ({
        run,
        number: row.number,
        at: row.at.toISOString(),
        kind: row.kind,
        ...(row.position === null ? {} : { position: row.position }),
        ...row.body,
      }) as RunEvent,
  );
}

/** Says that someone watches: workers then notify, and stream pieces of replies. Gives the run's number. */
export async function announceWatcher(database: Database, run: string): Promise<number> {
  const [row] = await database.query<{ no: number }>(
    {
      name: 'announce_watcher',
      text: `with watched as (
          update belayer.pulse p set watched_until = clock_timestamp() + $2::int * interval '1 ms'
          from belayer.run r where r.id = $1 and p.run_no = r.no returning r.no)
        select no, pg_notify('belayer_watch', $1) from watched`,
    },
    [run, limits.watchLeaseMs],
  );
  if (row === undefined) throw runUnknown(run);
  return row.no;
}

/** Whether the run's books are closed. Its last event is then on record. */
export async function hasEnded(database: Database, runNo: number): Promise<boolean> {
  const [row] = await database.query<{ ended: boolean }>(
    {
      name: 'has_ended',
      text: 'select ended_at is not null as ended from belayer.run where no = $1',
    },
    [runNo],
  );
  return row?.ended ?? false;
}
