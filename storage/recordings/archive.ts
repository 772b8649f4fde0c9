/** Which runs have executions that the database does not keep yet, and which histories are kept no longer. */
import { limits } from '../../contracts/limits.ts';
import type { Database } from '../database.ts';

export interface RunToArchive {
  readonly no: number;
  readonly id: string;
  /** Its books are closed: its last execution closes too. */
  readonly hasEnded: boolean;
  readonly attempts: number;
}

/** Takes runs that are due, for as long as the lease; no other worker has the same ones. */
export function takeToArchive(database: Database): Promise<readonly RunToArchive[]> {
  return database.query<RunToArchive>(
    {
      name: 'take_to_archive',
      text: `with taken as (
          update belayer.archive set due_at = clock_timestamp() + $1::int * interval '1 ms', attempts = attempts + 1
          where run_no in (
            select a.run_no from belayer.archive a where a.due_at <= clock_timestamp()
            order by a.due_at limit $2 for update skip locked)
          returning run_no, attempts)
        select r.no, r.id, r.ended_at is not null as "hasEnded", t.attempts from taken t join belayer.run r on r.no = t.run_no
        order by r.no`,
    },
    [limits.archiveLeaseMs, limits.archiveBatchMax],
  );
}

/** Nothing more of it is closed now. `complete`: nor will it be. */
export async function noteArchived(
  database: Database,
  runNo: number,
  { complete }: { readonly complete: boolean },
): Promise<void> {
  await database.query(
    {
      name: 'note_archived',
      // By its own column: a run that ends at this moment has set it behind the lock that this waits for.
      text: `update belayer.archive set complete = $2, attempts = 0, error = null,
          due_at = case when not $2 and ended_at is not null then clock_timestamp() + interval '1 second' end
        where run_no = $1`,
    },
    [runNo, complete],
  );
}

/** Tried again after `delayMs`; given up without one. */
export async function delayArchiving(
  database: Database,
  runNo: number,
  { delayMs, error }: { readonly delayMs: number | undefined; readonly error: string | null },
): Promise<void> {
  await database.query(
    {
      name: 'delay_archiving',
      text: `update belayer.archive set due_at = clock_timestamp() + $2::bigint * interval '1 ms', error = $3 where run_no = $1`,
    },
    [runNo, delayMs ?? null, error],
  );
}

/**
 * Since when closed executions are to be listed, if it is time; no other worker is told the same.
 * Null: since ever.
 */
export async function takeListing(
  database: Database,
): Promise<{ readonly seenUntil: Date | null } | undefined> {
  const [row] = await database.query<{ seenUntil: Date | null }>(
    {
      name: 'take_listing',
      text: `update belayer.archive_round set listed_at = clock_timestamp()
        where name = (select name from belayer.archive_round where name = 'continued'
          and listed_at < clock_timestamp() - $1::int * interval '1 ms' for update skip locked)
        returning nullif(seen_until, '-infinity') as "seenUntil"`,
    },
    [limits.archiveListEveryMs],
  );
  return row;
}

/** Everything that closed before this has been listed to its end. */
export async function noteListed(database: Database, seenUntil: Date): Promise<void> {
  await database.query(
    {
      name: 'note_listed',
      text: `update belayer.archive_round set seen_until = greatest(seen_until, $1) where name = 'continued'`,
    },
    [seenUntil],
  );
}

/** Makes runs due whose closed executions the database does not keep. Others' workflows are no runs here. */
export async function noteClosed(
  database: Database,
  executions: readonly { readonly run: string; readonly execution: string }[],
): Promise<void> {
  await database.query(
    {
      name: 'note_closed',
      text: `insert into belayer.archive as a (run_no, due_at)
        select distinct r.no, now() from unnest($1::text[], $2::text[]) c(run, execution)
        join belayer.run r on r.id = c.run
        where not exists (select from belayer.imported i where i.run_no = r.no)
          and not exists (select from belayer.history h where h.run_no = r.no and h.execution = c.execution)
        on conflict (run_no) do update set due_at = excluded.due_at, attempts = 0
        where a.due_at is null and not a.complete and a.removed_at is null`,
    },
    [executions.map(({ run }) => run), executions.map(({ execution }) => execution)],
  );
}

/** Deletes the histories of runs that ended longer ago than `days`; gives how many runs. */
export async function removeOldHistories(database: Database, days: number): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    {
      name: 'remove_old_histories',
      text: `with old as (
          select run_no from belayer.archive
          where ended_at < clock_timestamp() - $1::int * interval '1 day' and removed_at is null
          order by ended_at limit $2 for update skip locked),
        deleted as (delete from belayer.history h using old where h.run_no = old.run_no),
        noted as (
          update belayer.archive a set removed_at = clock_timestamp(), removed_days = $1, due_at = null
          from old where a.run_no = old.run_no returning a.run_no)
        select count(*) as count from noted`,
    },
    [days, limits.archiveRemoveMax],
  );
  return row?.count ?? 0;
}
