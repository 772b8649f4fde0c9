/** Open questions to humans: rows that outlive workers and that one query lists for all runs. */
import type {
  CloseRequestInput,
  EscalateRequestInput,
  OpenRequestInput,
  OpenRequestOutput,
  RequestKind,
  RunToolOutput,
  Verdict,
} from '../contracts/agent-run.ts';
import type { EscalationCause } from '../contracts/definitions.ts';
import { BelayerError, failureType, invariant } from '../contracts/failures.ts';
import type { Position } from '../contracts/positions.ts';
import type { Database } from './database.ts';
import { runUnknown, type ToolResultRecord } from './ledger.ts';
import { storableJson } from './storable.ts';

/** Opens a request; opening it again changes nothing, and gives what was decided about it. */
export async function insertRequest(
  database: Database,
  run: string,
  request: OpenRequestInput & { readonly arguments: string },
): Promise<OpenRequestOutput> {
  const [row] = await database.query<DecidedRow>(
    {
      name: 'open_request',
      text: `with opened as (
          insert into belayer.request (run_no, position, kind, tool, arguments, arguments_hash, detail, deadline, call, about, deciders, escalates, shared)
          select no, $2, $3, $4, $5, $6, $7, to_timestamp($8::double precision / 1000), $10, $11, $12, $13, $14 from belayer.run where id = $1 and ended_at is null
          on conflict do nothing returning run_no)
        select r.no, case when o.run_no is not null then belayer.add_event(r.no, 'request.opened', $2, $9) end as event,
          q.state as verdict, q.closed_by as by, q.closed_via as via, q.reason, q.decision,
          q.edited_hash as "editedHash", q.edited_arguments as "editedArguments"
        from belayer.run r left join opened o on o.run_no = r.no
        left join belayer.request q on q.run_no = r.no and q.position = $2 and q.arguments_hash = $6
          and q.state in ('approved', 'denied', 'expired', 'answered', 'extended')
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
        ...(request.about === undefined ? {} : { about: request.about }),
        ...(request.deciders === undefined ? {} : { deciders: request.deciders }),
      }),
      request.call ?? null,
      request.about ?? null,
      request.deciders ?? null,
      request.escalatesTo === undefined ? null : storableJson(request.escalatesTo),
      request.budget === undefined ? null : true,
    ],
  );
  if (row === undefined) throw runUnknown(run);
  return toOutput(row);
}

interface DecidedRow extends Pick<CloseRequestInput, 'by' | 'via'> {
  readonly verdict: string | null;
  readonly reason: string | null;
  readonly decision: string | null;
  readonly editedHash: string | null;
  readonly editedArguments: string | null;
}

function toOutput(row: DecidedRow): OpenRequestOutput {
  const { verdict, by, via, reason, decision, editedHash } = row;
  if (verdict === null) return {};
  return {
    decided: {
      verdict: verdict as Verdict,
      by,
      via,
      ...(reason === null ? {} : { reason }),
      ...(decision === null ? {} : { decision }),
      // Its arguments are read again where they are: in this row.
      ...(editedHash === null ? {} : { edit: { argumentsHash: editedHash } }),
    },
  };
}

/** What a closed request brings besides its verdict. */
export interface Closing {
  readonly edited?: { readonly argumentsHash: string; readonly text: string };
  /** A human's answer as the result of the call. */
  readonly answered?: {
    readonly call: NonNullable<CloseRequestInput['call']>;
    readonly result: ToolResultRecord;
  };
}

/** Closes a request with what was decided; the first decision, and the first result, stay. */
export async function closeRequestRow(
  database: Database,
  run: string,
  close: CloseRequestInput,
  { edited, answered }: Closing = {},
): Promise<{ readonly state: string; readonly answer: RunToolOutput | null }> {
  const [row] = await database.query<{ state: string; answer: RunToolOutput | null }>(
    {
      name: 'close_request',
      text: `select * from belayer.close_request($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)`,
    },
    [
      run,
      close.position,
      close.verdict,
      close.by,
      close.via,
      close.reason ?? null,
      close.decision ?? null,
      edited?.argumentsHash ?? null,
      edited?.text ?? null,
      answered?.call.position ?? null,
      answered?.call.tool ?? null,
      answered?.call.argumentsHash ?? null,
      answered === undefined ? null : storableJson(answered.result.answer),
      answered?.result.fragment ?? null,
      answered?.result.fragmentHash ?? null,
      storableJson({
        verdict: close.verdict,
        by: close.by,
        ...(edited === undefined ? {} : { argumentsHash: edited.argumentsHash }),
      }),
    ],
  );
  invariant(row !== undefined, 'close_request answers with one row');
  return row;
}

export async function escalateRequestRow(
  database: Database,
  run: string,
  { position, deadlineMs, deciders }: EscalateRequestInput,
): Promise<void> {
  await database.query(
    { name: 'escalate_request', text: 'select belayer.escalate_request($1,$2,$3,$4)' },
    [run, position, new Date(deadlineMs), deciders ?? null],
  );
}

/** One attempt of the call that a request is about: what a human can go by. */
export interface Evidence {
  readonly number: number;
  readonly worker: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
  readonly outcome: string;
  readonly code: string | null;
  readonly detail: string | null;
}

export interface RequestRow {
  readonly run: string;
  readonly agent: string;
  readonly customer: string;
  readonly position: string;
  readonly kind: RequestKind;
  /** Of an escalation: a tool, or what of the run itself. */
  readonly about: EscalationCause | 'tool' | null;
  /** Empty for an escalation of the run itself. */
  readonly tool: string;
  /** The call that it is about. */
  readonly call: Position | null;
  /** Canonical JSON, as it would be sent. */
  readonly arguments: string;
  readonly argumentsHash: string;
  /** Of the arguments that a human put in their place. */
  readonly editedHash: string | null;
  readonly editedArguments: string | null;
  readonly detail: string | null;
  /** It is about a budget that runs share: approving it tries again. */
  readonly isShared: boolean;
  readonly state: 'open' | Verdict;
  /** Who may decide; null: whoever can reach the run. */
  readonly deciders: readonly string[] | null;
  /** 1 when the level above is asked. */
  readonly level: number;
  readonly openedAt: Date;
  readonly deadline: Date;
  /** What happens at the deadline: `escalate` once where there is a level above, else it is denied. */
  readonly atDeadline: 'escalate' | 'deny';
  readonly closedAt: Date | null;
  readonly closedBy: string | null;
  readonly closedVia: string | null;
  readonly reason: string | null;
  /** Attempts of its call so far, oldest first, the newest 20. */
  readonly evidence: readonly Evidence[];
}

const columns = `r.id as run, r.agent, r.customer, q.position, q.kind, q.about, q.tool, q.call, q.arguments,
  q.arguments_hash as "argumentsHash", q.edited_hash as "editedHash", q.edited_arguments as "editedArguments",
  q.detail, coalesce(q.shared, false) as "isShared", q.state, q.deciders, q.level, q.opened_at as "openedAt", q.deadline,
  case when q.escalates is not null and q.level = 0 then 'escalate' else 'deny' end as "atDeadline",
  q.closed_at as "closedAt", q.closed_by as "closedBy", q.closed_via as "closedVia", q.reason,
  coalesce(evidence.attempts, '[]') as evidence`;

const evidence = `left join lateral (
    select json_agg(json_build_object('number', a.number, 'worker', a.worker,
      'startedAt', to_char(a.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'endedAt', to_char(a.ended_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'outcome', a.outcome, 'code', a.code, 'detail', a.detail) order by a.number) as attempts
    from (select * from belayer.attempt a where a.run_no = q.run_no and a.position = q.call order by a.number desc limit 20) a
  ) evidence on q.call is not null and q.kind <> 'approval'`;

export interface ListRequests {
  readonly customer?: string;
  readonly agent?: string;
  readonly kind?: RequestKind;
  /** Only what this person may decide. */
  readonly decider?: string;
  /** Go on behind this request: the last one of the page before. */
  readonly after?: { readonly run: string; readonly position: string };
  /** Default 500, at most 10,000. */
  readonly limit?: number;
}

const requestKinds: readonly RequestKind[] = ['approval', 'unknown', 'question', 'escalation'];
const filterNames = ['customer', 'agent', 'kind', 'decider', 'after', 'limit'];

/** @throws InputRejected  A filter that nobody reads would list what was not asked for. */
function checkFilter(filter: ListRequests): void {
  const reject = (why: string): BelayerError => new BelayerError(failureType.inputRejected, why);
  const unknown = Object.keys(filter).filter((name) => !filterNames.includes(name));
  if (unknown.length > 0)
    throw reject(
      `\`${unknown.join('`, `')}\` is not an option of the inbox; known are ${filterNames.join(', ')}.`,
    );
  const { kind, after } = filter;
  for (const name of ['customer', 'agent', 'decider'] as const)
    if (filter[name] !== undefined && typeof filter[name] !== 'string')
      throw reject(`\`${name}\` is of type ${typeof filter[name]}; it must be a string.`);
  if (kind !== undefined && !requestKinds.includes(kind))
    throw reject(
      `\`kind\` is ${JSON.stringify(kind)}; it must be one of ${requestKinds.join(', ')}.`,
    );
  if (after === undefined) return;
  if (typeof after?.run !== 'string' || typeof after.position !== 'string')
    throw reject('`after` must be a request: the last one of the page before.');
}

/** $1 to $4 of every statement over open requests. */
const filtered = `q.state = 'open'
            -- Those of imported runs were open where they ran: nobody can answer them here.
            and not exists (select from belayer.imported i where i.run_no = q.run_no)
            and ($1::text is null or q.kind = $1)
            and ($2::text is null or q.deciders is null or $2 = any(q.deciders))
            and (($3::text is null and $4::text is null) or exists (select from belayer.run r where r.no = q.run_no
              and ($3::text is null or r.customer = $3) and ($4::text is null or r.agent = $4)))`;

const filterValues = (filter: ListRequests): readonly (string | null)[] => [
  filter.kind ?? null,
  filter.decider ?? null,
  filter.customer ?? null,
  filter.agent ?? null,
];

/** How many are open; without a filter, one scan of the index of open requests. */
export async function countOpenRequests(
  database: Database,
  filter: Omit<ListRequests, 'limit' | 'after'> = {},
): Promise<number> {
  checkFilter(filter);
  const [row] = await database.query<{ count: number }>(
    {
      name: 'count_open_requests',
      text: `select count(*) as count from belayer.request q where ${filtered}`,
    },
    filterValues(filter),
  );
  return row?.count ?? 0;
}

/**
 * Open requests of all runs, oldest first.
 *
 * @throws InputRejected  An option that is not known, or a kind that does not exist.
 */
export async function openRequests(
  database: Database,
  limit: number,
  filter: Omit<ListRequests, 'limit'> = {},
): Promise<readonly RequestRow[]> {
  checkFilter(filter);
  const { after } = filter;
  return database.query<RequestRow>(
    {
      name: 'open_requests',
      text: `select ${columns} from (
          select q.* from belayer.request q
          where ${filtered}
            and ($6::text is null or (q.opened_at, q.run_no, q.position) >
              (select n.opened_at, n.run_no, n.position from belayer.request n join belayer.run m on m.no = n.run_no
               where m.id = $6 and n.position = $7))
          order by q.opened_at, q.run_no, q.position limit $5) q
        join belayer.run r on r.no = q.run_no ${evidence} order by q.opened_at, q.run_no, q.position`,
    },
    [...filterValues(filter), limit, after?.run ?? null, after?.position ?? null],
  );
}

export function requestsOf(database: Database, run: string): Promise<readonly RequestRow[]> {
  return database.query<RequestRow>(
    {
      name: 'requests_of',
      text: `select ${columns} from belayer.request q join belayer.run r on r.no = q.run_no ${evidence}
        where r.id = $1 order by q.opened_at, q.position`,
    },
    [run],
  );
}

export async function readRequest(
  database: Database,
  run: string,
  position: Position,
): Promise<RequestRow | undefined> {
  const [row] = await database.query<RequestRow>(
    {
      name: 'read_request',
      text: `select ${columns} from belayer.request q join belayer.run r on r.no = q.run_no ${evidence}
        where r.id = $1 and q.position = $2`,
    },
    [run, position],
  );
  return row;
}
