/** What is on record of runs, for people and programs: rows, journals, prompts as they were sent. */
import type { RunOutcome } from '../contracts/agent-run.ts';
import type { StuckFinding } from '../contracts/events.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import type { Position } from '../contracts/positions.ts';
import type { Database } from './database.ts';

export interface RunRow {
  readonly id: string;
  readonly agent: string;
  readonly customer: string;
  readonly key: string | null;
  readonly state:
    /** Its turn to be carried out comes: nothing of it has started. */
    | 'queued'
    | 'starting'
    | 'running'
    | 'paused'
    /** For a human, or, in a session, for the next message. */
    | 'waiting'
    /** Its next model call waits for its turn. */
    | 'throttled'
    | 'no-worker'
    | 'halting'
    | 'done'
    | 'stopped'
    | 'failed';
  readonly createdAt: Date;
  readonly endedAt: Date | null;
  readonly outcome: RunOutcome | null;
  readonly parent: string | null;
  /** Of a fork: the run that it shares its beginning with, the position, and what was changed there, in short. */
  readonly forkOf: string | null;
  readonly forkAt: Position | null;
  readonly forkEdit: string | null;
  readonly definition: string;
  /** Steps made: of a run that has ended, as its workflow counted; else from the journal. A fork's go on from its parent's. */
  readonly steps: number;
  readonly costMicroUsd: number;
  readonly reservedMicroUsd: number;
  readonly ceilingMicroUsd: number;
  readonly tokens: number;
  readonly openRequests: number;
  /** When it was imported from another installation: it is read here, and nothing else. */
  readonly importedAt: Date | null;
  /** Why it makes no progress, where a worker has found that it makes none. */
  readonly stuck: StuckFinding | null;
}

export const runColumns = `r.id, r.agent, r.customer, coalesce(r.key, i.key) as key, r.parent, r.definition,
  r.fork_of as "forkOf", r.fork_at as "forkAt", r.fork->>'edit' as "forkEdit",
  case when r.ended_at is not null then coalesce(r.outcome->>'kind', p.state)
    when f.subject is not null then 'halting'
    when p.state = 'paused' then 'paused'
    when q.open > 0 then 'waiting'
    when (select e.kind from belayer.event e where e.run_no = r.no and e.kind not in ('run.stuck', 'run.unstuck') order by e.number desc limit 1) = 'run.waiting' then 'no-worker'
    else p.state end as state,
  r.created_at as "createdAt", case when not coalesce(i.was_open, false) then r.ended_at end as "endedAt", r.outcome,
  i.imported_at as "importedAt",
  coalesce(r.steps, (select count(distinct substring(c.position from '^\\d{1,9}')) from belayer.call c where c.run_no = r.no and c.kind = 'model'
    and c.state = 'done' and substring(c.position from '^\\d{1,9}')::int > coalesce((r.fork->'input'->'carried'->>'step')::int, 0)) + coalesce((r.fork->'input'->'carried'->>'step')::int, 0))::int as steps,
  b.spent_micro_usd as "costMicroUsd", b.reserved_micro_usd as "reservedMicroUsd",
  b.ceiling_micro_usd as "ceilingMicroUsd", b.spent_tokens as tokens, q.open::int as "openRequests",
  case when r.ended_at is null then k.finding end as stuck`;

export const runJoins = `join belayer.pulse p on p.run_no = r.no
  join belayer.budget b on b.scope = 'run' and b.subject = r.no::text and b.starts_at is null
  left join belayer.stuck k on k.run_no = r.no and k.events = p.events
  left join belayer.stop_flag f on f.scope = 'run' and f.subject = r.id
  left join belayer.imported i on i.run_no = r.no
  cross join lateral (select count(*) as open from belayer.request q where q.run_no = r.no and q.state = 'open') q`;

export interface ListRuns {
  readonly agent?: string;
  readonly customer?: string;
  /** Only runs that have not ended. */
  readonly open?: boolean;
  /** Default 50, at most 1,000. */
  readonly limit?: number;
}

/** Runs, newest first. */
export async function listRuns(
  database: Database,
  options: ListRuns = {},
): Promise<readonly RunRow[]> {
  const known = ['agent', 'customer', 'open', 'limit'];
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new BelayerError(
      failureType.inputRejected,
      `\`${unknown.join('`, `')}\` is not an option of runs; known are ${known.join(', ')}.`,
    );
  return database.query<RunRow>(
    {
      text: `select ${runColumns} from (
          select * from belayer.run r
          where ($1::text is null or r.agent = $1) and ($2::text is null or r.customer = $2)
            and (not $3::boolean or r.ended_at is null)
          order by r.no desc limit $4) r ${runJoins} order by r.no desc`,
    },
    [
      options.agent ?? null,
      options.customer ?? null,
      options.open ?? false,
      checkedLimit(options.limit ?? 50, 1_000),
    ],
  );
}

/** @throws InputRejected  Not a whole number from 1 to `max`. */
export function checkedLimit(limit: unknown, max: number): number {
  if (typeof limit === 'number' && Number.isSafeInteger(limit) && limit >= 1 && limit <= max)
    return limit;
  throw new BelayerError(
    failureType.inputRejected,
    `\`limit\` is ${String(limit)}; it must be a whole number from 1 to ${max}.`,
  );
}

export async function readRun(database: Database, run: string): Promise<RunRow | undefined> {
  const [row] = await database.query<RunRow>(
    {
      name: 'read_run',
      text: `select ${runColumns} from belayer.run r ${runJoins} where r.id = $1`,
    },
    [run],
  );
  return row;
}

/** One attempt, as the journal holds it. */
export interface AttemptRow {
  readonly position: Position;
  readonly number: number;
  readonly kind: 'model' | 'tool' | 'child';
  readonly name: string;
  readonly worker: string;
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly outcome: string;
  readonly code: string | null;
  readonly detail: string | null;
  readonly retryable: boolean | null;
  readonly latencyMs: number | null;
  readonly firstTokenMs: number | null;
  readonly costMicroUsd: number;
  readonly reservedMicroUsd: number;
  readonly promptHash: string | null;
  readonly promptBytes: number | null;
  readonly model: string | null;
  readonly finishReason: string | null;
  readonly inputTokens: number | null;
  readonly cachedTokens: number | null;
  readonly outputTokens: number | null;
  readonly reasoningTokens: number | null;
  /** `input/cached/output` in pico-dollars per token, and the source. */
  readonly price: string | null;
  readonly requestId: string | null;
  readonly status: number | null;
  /** Which of the agent's models it was, by the name that the agent gives it. */
  readonly tier: string | null;
  /** Why that one. */
  readonly choice: string | null;
  /** What choices saved, in micro-dollars; below zero what turned out to be in vain. */
  readonly saved: Readonly<Partial<Record<SavedBy, number>>> | null;
}

export type SavedBy = 'cache' | 'routing' | 'short-circuit';

/** Every attempt of a run, in order of position and number. */
export async function readJournal(database: Database, run: string): Promise<readonly AttemptRow[]> {
  const rows = await database.query<AttemptRow>(
    {
      name: 'read_journal',
      text: `select a.position, a.number, a.kind, a.name, a.worker, a.started_at as "startedAt", a.ended_at as "endedAt",
          a.outcome, a.code, a.detail, a.retryable, a.latency_ms as "latencyMs", a.first_token_ms as "firstTokenMs",
          a.cost_micro_usd as "costMicroUsd", a.reserved_micro_usd as "reservedMicroUsd", a.prompt_hash as "promptHash",
          a.prompt_bytes as "promptBytes", a.model, a.finish_reason as "finishReason", a.input_tokens as "inputTokens",
          a.cached_tokens as "cachedTokens", a.output_tokens as "outputTokens", a.reasoning_tokens as "reasoningTokens",
          a.price, a.request_id as "requestId", a.status, a.tier, a.choice, a.saved
        from belayer.attempt a join belayer.run r on r.no = a.run_no where r.id = $1
        order by a.started_at, a.number`,
    },
    [run],
  );
  return rows;
}

export interface CallRow {
  readonly position: Position;
  readonly kind: 'model' | 'tool' | 'child';
  readonly name: string;
  readonly state: 'claimed' | 'open' | 'unknown' | 'done';
  readonly attempt: number;
  readonly worker: string;
  readonly claimedAt: Date;
  /** The message that the transcript holds for it. */
  readonly fragment: string | null;
  /** Of a model call: the calls it asked for that could never run, and why. */
  readonly refused: readonly {
    readonly position: Position;
    readonly tool: string;
    readonly code: string;
    readonly message: string;
  }[];
}

export function readCalls(database: Database, run: string): Promise<readonly CallRow[]> {
  return database.query<CallRow>(
    {
      name: 'read_calls',
      text: `select c.position, c.kind, c.name, c.state, c.attempt, c.worker, c.claimed_at as "claimedAt", c.fragment,
          coalesce((select jsonb_agg(jsonb_build_object('position', split_part(c.position, '/', 1) || '.' || asked.n,
              'tool', asked.call->'tool', 'code', asked.call->'error'->'code', 'message', asked.call->'error'->'message') order by asked.n)
            from jsonb_array_elements(case when c.kind = 'model' and jsonb_typeof(c.answer::jsonb->'calls') = 'array' then c.answer::jsonb->'calls' else '[]'::jsonb end)
              with ordinality asked(call, n)
            where asked.call ? 'error'), '[]') as refused
        from belayer.call c join belayer.run r on r.no = c.run_no where r.id = $1 order by c.first_claimed_at, c.position`,
    },
    [run],
  );
}

/** A prompt as its parts are stored, with the hash that was recorded when it was sent. */
export interface StoredPrompt {
  readonly head: string;
  readonly system: string | null;
  readonly messages: readonly string[];
  readonly hash: string;
  readonly bytes: number;
  /** Of an imported run: something of it was redacted when it was exported, so it is not what was sent. */
  readonly isRedacted: boolean;
}

/** The prompt of the newest journalled attempt at a position, or undefined where none was sent. */
export async function readPrompt(
  database: Database,
  run: string,
  position: Position,
): Promise<StoredPrompt | undefined> {
  const [row] = await database.query<{
    no: number;
    head: string;
    system: string | null;
    chain: number;
    length: number;
    hash: string;
    bytes: number;
    isRedacted: boolean;
  }>(
    {
      text: `select r.no, f.body as head, p.system, a.chain, a.length, a.prompt_hash as hash, a.prompt_bytes as bytes,
          coalesce(i.void->'prompts' @> jsonb_build_array(jsonb_build_object('position', a.position, 'attempt', a.number)), false) as "isRedacted"
        from belayer.run r join belayer.pulse p on p.run_no = r.no
        join belayer.attempt a on a.run_no = r.no and a.position = $2 and a.prompt_hash is not null
        join belayer.fragment f on f.hash = a.prompt_head
        left join belayer.imported i on i.run_no = r.no
        where r.id = $1 order by a.number desc limit 1`,
    },
    [run, position],
  );
  if (row === undefined) return undefined;
  const messages = await database.query<{ body: string }>(
    { text: 'select body from belayer.chain_fragments($1, $2, 0, $3) order by seq' },
    [row.no, row.chain, row.length],
  );
  const { head, system, hash, bytes, isRedacted } = row;
  return {
    head,
    system,
    messages: messages.map((message) => message.body),
    hash,
    bytes,
    isRedacted,
  };
}
