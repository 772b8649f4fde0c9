/** Everything that is known at the end: the engine's record, the service's books, what PostgreSQL and the provider saw. */
import type { RunOutcome } from '../../contracts/agent-run.ts';
import type { Carried } from './carry-out.ts';
import { type ClaimSeen, claimsSeen, haltsSeen } from './observe.ts';
import type { Schedule } from './scenario.ts';
import type { Stage } from './stage.ts';

export interface RunEvidence {
  readonly id: string;
  readonly ended: boolean;
  readonly outcome: RunOutcome | null;
  readonly output: string | null;
  readonly spent: number;
  readonly reserved: number;
  readonly reservedTokens: number;
  readonly ceiling: number;
  readonly journalled: number;
}

export interface CallEvidence {
  readonly run: string;
  readonly position: string;
  readonly kind: string;
  readonly name: string;
  readonly state: string;
}

export interface AttemptEvidence extends Omit<CallEvidence, 'state'> {
  readonly outcome: string;
  readonly startedMs: number;
  readonly endedMs: number;
}

export interface RequestEvidence {
  readonly run: string;
  readonly position: string;
  readonly kind: string;
  readonly state: string;
}

export interface Evidence {
  readonly schedule: Schedule;
  readonly carried: Carried;
  readonly stage: Stage;
  readonly runs: readonly RunEvidence[];
  readonly calls: readonly CallEvidence[];
  readonly attempts: readonly AttemptEvidence[];
  readonly requests: readonly RequestEvidence[];
  readonly claims: readonly ClaimSeen[];
  readonly flags: readonly { readonly subject: string }[];
  /** When each halt was accepted: the commit of its flag. */
  readonly haltedAt: ReadonlyMap<string, number>;
  /** Workflows that Temporal has open, by run. */
  readonly openWorkflows: ReadonlySet<string>;
  /** Longest time between two events of each run, waits for humans left out, shortest first. */
  readonly silencesMs: readonly number[];
  /** When runs continued as new: run and milliseconds. */
  readonly continuedAsNew: readonly { readonly run: string; readonly atMs: number }[];
}

export async function gatherEvidence(
  stage: Stage,
  schedule: Schedule,
  carried: Carried,
): Promise<Evidence> {
  const { database, temporal } = stage.world;
  const read = <Row>(text: string): Promise<readonly Row[]> => database.query<Row>({ text });
  const openWorkflows = new Set<string>();
  for await (const workflow of temporal.workflow.list({ query: `ExecutionStatus = 'Running'` }))
    openWorkflows.add(workflow.workflowId);
  const continuedAsNew: { run: string; atMs: number }[] = [];
  for await (const one of temporal.workflow.list({ query: `ExecutionStatus = 'ContinuedAsNew'` }))
    continuedAsNew.push({ run: one.workflowId, atMs: one.closeTime?.getTime() ?? 0 });
  return {
    schedule,
    carried,
    stage,
    openWorkflows,
    continuedAsNew,
    runs: await read(`select r.id, r.ended_at is not null as ended, r.outcome, c.output,
        b.spent_micro_usd as spent, b.reserved_micro_usd as reserved, b.reserved_tokens as "reservedTokens",
        b.ceiling_micro_usd as ceiling,
        (select coalesce(sum(a.cost_micro_usd), 0)::bigint from belayer.attempt a where a.run_no = r.no) as journalled
      from belayer.run r join belayer.budget b on b.scope = 'run' and b.subject = r.no::text and b.starts_at is null
      left join belayer.call c on c.run_no = r.no and c.position = r.output_at`),
    calls: await read(`select r.id as run, c.position, c.kind, c.name, c.state
      from belayer.call c join belayer.run r on r.no = c.run_no`),
    attempts: await read(`select r.id as run, a.position, a.kind, a.name, a.outcome,
        (extract(epoch from a.started_at) * 1000)::float8 as "startedMs",
        (extract(epoch from a.ended_at) * 1000)::float8 as "endedMs"
      from belayer.attempt a join belayer.run r on r.no = a.run_no`),
    requests: await read(`select r.id as run, q.position, q.kind, q.state
      from belayer.request q join belayer.run r on r.no = q.run_no`),
    silencesMs: (
      await read<{ ms: number }>(`select max(ms)::float8 as ms from (
        select run_no, kind, extract(epoch from lead(at) over (partition by run_no order by number) - at) * 1000 as ms
        from belayer.event) gap where ms is not null and kind <> 'request.opened' group by run_no order by 1`)
    ).map(({ ms }) => ms),
    flags: await read(`select f.subject from belayer.stop_flag f
      join belayer.run r on f.scope = 'run' and r.id = f.subject and r.ended_at is not null`),
    claims: await claimsSeen(database),
    haltedAt: await haltsSeen(database),
  };
}
