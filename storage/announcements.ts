/** The outbox: what is to be told to people who do not watch, channel by channel. */
import { limits } from '../contracts/limits.ts';
import type { Database } from './database.ts';
import type { RequestRow } from './requests.ts';

export type AnnouncementChannel = 'webhook' | 'mail';
export type AnnouncementKind =
  | 'request.opened'
  | 'request.escalated'
  | 'run.stuck'
  | 'budget.threshold';

interface AnnouncementKey {
  readonly runNo: number;
  readonly number: number;
  readonly channel: AnnouncementChannel;
  /** The lease: who gives a row back says for which attempt. */
  readonly attempts: number;
}

/** A row that was taken, with what is said in it, read now. */
export interface Announcement extends AnnouncementKey {
  readonly kind: AnnouncementKind;
  readonly position: string | null;
  readonly firstTriedAt: Date;
  readonly run: string;
  readonly agent: string;
  readonly customer: string;
  /** Of the event. */
  readonly at: Date;
  readonly body: Readonly<Record<string, unknown>>;
  /** The request is still open, the run still stuck. What a budget has spent stays so. */
  readonly isRelevant: boolean;
  /** Of a request, as it is now. */
  readonly request:
    | (Pick<
        RequestRow,
        | 'kind'
        | 'about'
        | 'tool'
        | 'arguments'
        | 'argumentsHash'
        | 'detail'
        | 'deciders'
        | 'isShared'
      > & { readonly deadline: string })
    | null;
}

/** Takes due rows of one channel; they come back when they are not settled within `leaseMs`. */
export function takeAnnouncements(
  database: Database,
  channel: AnnouncementChannel,
  leaseMs: number,
): Promise<readonly Announcement[]> {
  return database.query<Announcement>(
    {
      name: 'take_announcements',
      text: `with due as (
          select run_no, number, channel from belayer.announcement
          where state = 'due' and channel = $1 and next_at <= now()
          order by next_at limit $2 for update skip locked),
        taken as (
          update belayer.announcement a set attempts = attempts + 1, next_at = clock_timestamp() + $3::int * interval '1 ms',
            first_tried_at = coalesce(first_tried_at, clock_timestamp())
          from due where a.run_no = due.run_no and a.number = due.number and a.channel = due.channel
          returning a.*)
        select t.run_no as "runNo", t.number, t.channel, t.attempts, t.kind, t.position, t.first_tried_at as "firstTriedAt",
          r.id as run, r.agent, r.customer, e.at, e.body,
          case t.kind when 'budget.threshold' then true
            when 'run.stuck' then r.ended_at is null and exists (select from belayer.stuck s where s.run_no = t.run_no)
            else r.ended_at is null and q.closed_at is null end as "isRelevant",
          case when q.run_no is not null then jsonb_build_object('kind', q.kind, 'about', q.about, 'isShared', coalesce(q.shared, false), 'deciders', q.deciders, 'tool', q.tool, 'arguments', q.arguments,
            'argumentsHash', q.arguments_hash, 'detail', q.detail,
            'deadline', to_char(q.deadline at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) end as request
        from taken t join belayer.run r on r.no = t.run_no
        join belayer.event e on e.run_no = t.run_no and e.number = t.number
        left join belayer.request q on q.run_no = t.run_no and q.position = t.position and t.kind <> 'budget.threshold'`,
    },
    [channel, limits.announceBatchMax, leaseMs],
  );
}

export async function closeAnnouncement(
  database: Database,
  row: AnnouncementKey,
  end: {
    readonly state: 'sent' | 'failed' | 'withdrawn';
    readonly error?: string;
  },
): Promise<void> {
  await database.query(
    {
      name: 'close_announcement',
      // What was sent was sent, even where it was withdrawn or taken by another meanwhile.
      text: `update belayer.announcement set state = $4, error = coalesce($5, error), closed_at = clock_timestamp()
        where run_no = $1 and number = $2 and channel = $3 and ($4 = 'sent' or (state = 'due' and attempts = $6))`,
    },
    [row.runNo, row.number, row.channel, end.state, end.error ?? null, row.attempts],
  );
}

export async function delayAnnouncement(
  database: Database,
  row: AnnouncementKey,
  delayMs: number,
  error: string,
): Promise<void> {
  await database.query(
    {
      name: 'delay_announcement',
      text: `update belayer.announcement set next_at = clock_timestamp() + $4::bigint * interval '1 ms', error = $5
        where run_no = $1 and number = $2 and channel = $3 and state = 'due' and attempts = $6`,
    },
    [row.runNo, row.number, row.channel, delayMs, error, row.attempts],
  );
}

/** Removes rows older than `limits.announceKeptDays`, those that no worker had a channel for as well. */
export async function removeOldAnnouncements(database: Database): Promise<number> {
  const removed = await database.query(
    {
      name: 'remove_old_announcements',
      text: `delete from belayer.announcement where (run_no, number, channel) in (
          select run_no, number, channel from belayer.announcement
          where created_at < now() - $1::int * interval '1 day'
          order by created_at limit $2 for update skip locked)
        returning 1`,
    },
    [limits.announceKeptDays, limits.announceRemoveMax],
  );
  return removed.length;
}

export interface AnnouncementRow {
  readonly run: string;
  /** Of the event. */
  readonly number: number;
  readonly channel: AnnouncementChannel;
  readonly kind: AnnouncementKind;
  readonly position: string | null;
  readonly state: 'due' | 'sent' | 'failed' | 'withdrawn';
  readonly createdAt: Date;
  readonly nextAt: Date;
  readonly attempts: number;
  readonly closedAt: Date | null;
  /** Of the last attempt. */
  readonly error: string | null;
}

/** Newest first. `failed`: only those that were given up. */
export function listAnnouncements(
  database: Database,
  options: { readonly failed?: boolean; readonly limit: number },
): Promise<readonly AnnouncementRow[]> {
  return database.query<AnnouncementRow>(
    {
      text: `select r.id as run, a.number, a.channel, a.kind, a.position, a.state, a.created_at as "createdAt",
          a.next_at as "nextAt", a.attempts, a.closed_at as "closedAt", a.error
        from belayer.announcement a join belayer.run r on r.no = a.run_no
        where not $1::boolean or a.state = 'failed' order by a.created_at desc, a.channel limit $2`,
    },
    [options.failed ?? false, options.limit],
  );
}
