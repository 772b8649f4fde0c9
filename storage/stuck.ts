/** Runs that make no progress: who may be one, and what was found. */
import type { StuckFinding } from '../contracts/events.ts';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { Database } from './database.ts';

/** An open run that was silent too long and waits for nothing declared. Temporal knows why. */
export interface Suspect {
  readonly no: number;
  readonly run: string;
  readonly agent: string;
  readonly customer: string;
  /** Its events at the look: with more of them, it has moved. */
  readonly events: number;
  readonly state: string;
  /** ISO 8601: when it last moved. */
  readonly since: string;
  /** The worker that the run itself waits for. */
  readonly waitsFor: string | null;
}

export interface StuckRow {
  readonly run: string;
  readonly agent: string;
  readonly customer: string;
  readonly finding: StuckFinding;
  readonly detail: string;
  /** When it last moved. */
  readonly since: Date;
  readonly seenAt: Date;
}

/** The next batch of the round over all open runs, which all workers share. */
export async function takeSilent(
  database: Database,
  options: { readonly silentMs: number; readonly everyMs: number },
): Promise<{ readonly more: boolean; readonly suspects: readonly Suspect[] }> {
  const [row] = await database.query<{ more: boolean; suspects: readonly Suspect[] }>(
    { name: 'take_silent', text: 'select * from belayer.take_silent($1, $2, $3, $4)' },
    [options.silentMs, limits.stuckRowsMax, limits.stuckLooksMax, options.everyMs],
  );
  invariant(row !== undefined, 'take_silent answers with one row');
  return row;
}

/** A batch for a reader with a cursor of its own; `last` is 0 at the end. */
export async function silentRuns(
  database: Database,
  options: { readonly after: number; readonly silentMs: number },
): Promise<{ readonly last: number; readonly suspects: readonly Suspect[] }> {
  const [row] = await database.query<{ last: number; suspects: readonly Suspect[] }>(
    { name: 'silent_runs', text: 'select * from belayer.silent_runs($1, $2, $3, $4, true)' },
    [options.after, options.silentMs, limits.stuckRowsMax, limits.stuckLooksMax],
  );
  invariant(row !== undefined, 'silent_runs answers with one row');
  return row;
}

/** Runs that were found, to be looked at again. */
export async function takeStuck(database: Database, everyMs: number): Promise<readonly Suspect[]> {
  const [row] = await database.query<{ suspects: readonly Suspect[] }>(
    { name: 'take_stuck', text: 'select belayer.take_stuck($1, $2) as suspects' },
    [everyMs, limits.stuckLooksMax],
  );
  return row?.suspects ?? [];
}

export async function noteStuck(
  database: Database,
  suspect: Suspect,
  found: { readonly finding: StuckFinding; readonly detail: string },
  againMs: number,
): Promise<'new' | 'known' | 'moved'> {
  const [row] = await database.query<{ noted: 'new' | 'known' | 'moved' }>(
    {
      name: 'note_stuck',
      text: 'select belayer.note_stuck($1, $2, $3, $4, $5, $6, $7, $8) as noted',
    },
    [
      suspect.no,
      suspect.events,
      found.finding,
      found.detail,
      suspect.since,
      againMs,
      limits.stuckToldPerHourMax,
      limits.stuckToldAgainMs,
    ],
  );
  invariant(row !== undefined, 'note_stuck answers with one row');
  return row.noted;
}

export async function clearStuck(database: Database, suspect: Suspect): Promise<void> {
  await database.query({ name: 'clear_stuck', text: 'select belayer.clear_stuck($1, $2)' }, [
    suspect.no,
    suspect.events,
  ]);
}

/** Takes findings away whose runs have moved or ended. */
export async function clearMoved(database: Database): Promise<void> {
  await database.query({ name: 'clear_moved', text: 'select belayer.clear_moved($1)' }, [
    limits.stuckRowsMax,
  ]);
}

/** What workers have found, longest silence first. */
export function listStuck(database: Database, limit: number): Promise<readonly StuckRow[]> {
  return database.query<StuckRow>(
    {
      name: 'list_stuck',
      text: `select r.id as run, r.agent, r.customer, s.finding, s.detail, s.since, s.seen_at as "seenAt"
        from belayer.stuck s join belayer.run r on r.no = s.run_no join belayer.pulse p on p.run_no = s.run_no
        where r.ended_at is null and p.events = s.events order by s.since limit $1`,
    },
    [limit],
  );
}
