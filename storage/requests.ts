/** Open questions to humans: rows that outlive workers and that one query lists for all runs. */
import type {
  CloseRequestInput,
  OpenRequestInput,
  OpenRequestOutput,
} from '../contracts/agent-run.ts';
import type { Database } from './database.ts';
import { runUnknown } from './ledger.ts';
import { storableJson } from './storable.ts';

/** Opens a request; opening it again changes nothing, and gives what was decided about it. */
export async function insertRequest(
  database: Database,
  run: string,
  request: OpenRequestInput & { readonly arguments: string },
): Promise<OpenRequestOutput> {
  const [row] = await database.query<
    { readonly verdict: string | null } & Pick<CloseRequestInput, 'by' | 'via'> & {
        readonly reason: string | null;
      }
  >(
    {
      name: 'open_request',
      text: `with opened as (
          insert into belayer.request (run_no, position, kind, tool, arguments, arguments_hash, detail, deadline)
          select no, $2, $3, $4, $5, $6, $7, to_timestamp($8::double precision / 1000) from belayer.run where id = $1
          on conflict do nothing returning run_no)
        select r.no, case when o.run_no is not null then belayer.add_event(r.no, 'request.opened', $2, $9) end as event,
          q.state as verdict, q.closed_by as by, q.closed_via as via, q.reason
        from belayer.run r left join opened o on o.run_no = r.no
        left join belayer.request q on q.run_no = r.no and q.position = $2 and q.arguments_hash = $6
          and q.state in ('approved', 'denied', 'expired')
        where r.id = $1`,
    },
    [
      run,
      request.position,
      request.kind,
      request.tool,
      request.arguments,
      request.argumentsHash,
      request.detail ?? null,
      request.deadlineMs,
      storableJson({
        request: request.kind,
        tool: request.tool,
        argumentsHash: request.argumentsHash,
        deadline: new Date(request.deadlineMs).toISOString(),
      }),
    ],
  );
  if (row === undefined) throw runUnknown(run);
  const { verdict, by, via, reason } = row;
  if (verdict === null) return {};
  return {
    decided: {
      verdict: verdict as CloseRequestInput['verdict'],
      by,
      via,
      ...(reason === null ? {} : { reason }),
    },
  };
}

/** Closes a request with what was decided; the first decision stays. */
export async function closeRequestRow(
  database: Database,
  run: string,
  close: CloseRequestInput,
): Promise<void> {
  await database.query(
    {
      name: 'close_request',
      text: `with closed as (
          update belayer.request q set state = $3, closed_at = clock_timestamp(), closed_by = $4, closed_via = $5, reason = $6
          from belayer.run r where r.id = $1 and q.run_no = r.no and q.position = $2 and q.state = 'open'
          returning q.run_no)
        select belayer.add_event(run_no, 'request.closed', $2, $7) from closed`,
    },
    [
      run,
      close.position,
      close.verdict,
      close.by,
      close.via,
      close.reason ?? null,
      storableJson({ verdict: close.verdict, by: close.by }),
    ],
  );
}

export interface RequestRow {
  readonly run: string;
  readonly agent: string;
  readonly customer: string;
  readonly position: string;
  readonly kind: 'approval' | 'unknown';
  readonly tool: string;
  /** Canonical JSON, as it would be sent. */
  readonly arguments: string;
  readonly argumentsHash: string;
  readonly detail: string | null;
  readonly state: 'open' | 'approved' | 'denied' | 'expired' | 'withdrawn';
  readonly openedAt: Date;
  readonly deadline: Date;
  readonly closedBy: string | null;
  readonly reason: string | null;
}

const columns = `r.id as run, r.agent, r.customer, q.position, q.kind, q.tool, q.arguments,
  q.arguments_hash as "argumentsHash", q.detail, q.state, q.opened_at as "openedAt", q.deadline,
  q.closed_by as "closedBy", q.reason`;

/** Open requests of all runs, oldest first. */
export function openRequests(database: Database, limit: number): Promise<readonly RequestRow[]> {
  return database.query<RequestRow>(
    {
      name: 'open_requests',
      text: `select ${columns} from belayer.request q join belayer.run r on r.no = q.run_no
        where q.state = 'open' order by q.opened_at limit $1`,
    },
    [limit],
  );
}

export function requestsOf(database: Database, run: string): Promise<readonly RequestRow[]> {
  return database.query<RequestRow>(
    {
      name: 'requests_of',
      text: `select ${columns} from belayer.request q join belayer.run r on r.no = q.run_no
        where r.id = $1 order by q.opened_at`,
    },
    [run],
  );
}
