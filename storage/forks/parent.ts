/** What the ledger holds of a run that is to be forked. */
import type { CallModelOutput, Hash, RunToolOutput } from '../../contracts/agent-run.ts';
import type { VoidHashes } from '../../contracts/recording.ts';
import { type Position, stepOf } from '../../contracts/positions.ts';
import type { Database } from '../database.ts';
import type { Query } from '../transaction.ts';

export interface ParentRow {
  readonly no: number;
  readonly id: string;
  readonly agent: string;
  readonly customer: string;
  readonly definition: Hash;
  readonly forkOf: string | null;
  readonly forkAt: Position | null;
  /** Of a run that was imported: what did not hash when it came. */
  readonly void: VoidHashes | null;
}

export async function readParent(database: Database, run: string): Promise<ParentRow | undefined> {
  const [row] = await database.query<ParentRow>(
    {
      text: `select r.no, r.id, r.agent, r.customer, r.definition, r.fork_of as "forkOf", r.fork_at as "forkAt", i.void
        from belayer.run r left join belayer.imported i on i.run_no = r.no where r.id = $1`,
    },
    [run],
  );
  return row;
}

/**
 * Of a fork, the run that has a position before it: its parent, or whoever that one was forked from.
 * Undefined where the position is not before the fork.
 */
export async function holderOf(
  database: Database,
  fork: { readonly forkOf: string | null; readonly forkAt: Position | null },
  at: Position,
): Promise<{ readonly run: string; readonly isHere: boolean } | undefined> {
  const { forkOf: run, forkAt } = fork;
  if (run === null || forkAt === null || stepOf(at) >= stepOf(forkAt)) return undefined;
  const parent = await readParent(database, run);
  if (parent === undefined) return { run, isHere: false };
  return (await holderOf(database, parent, at)) ?? { run, isHere: true };
}

/** A reply that asked for calls. */
export interface AskingReply {
  readonly position: Position;
  readonly answer: Extract<CallModelOutput, { readonly kind: 'calls' }>;
  /** The message, byte for byte. */
  readonly fragment: string;
}

/** The reply of a step that asked for its calls, whichever repair, fallback or interruption it was. */
export async function readAskingReply(
  database: Database,
  runNo: number,
  step: number,
): Promise<AskingReply | undefined> {
  const [row] = await database.query<AskingReply>(
    {
      text: `select position, answer, fragment from belayer.call
        where run_no = $1 and kind = 'model' and state = 'done' and answer->>'kind' = 'calls'
          and (position = $2 or starts_with(position, $2 || '/')) order by first_claimed_at desc limit 1`,
    },
    [runNo, String(step)],
  );
  return row;
}

/** A tool call or a child run of one step. */
export interface StepCallRow {
  readonly position: Position;
  readonly kind: 'tool' | 'child';
  /** The tool, or the agent of a child run. */
  readonly name: string;
  readonly state: 'claimed' | 'open' | 'unknown' | 'done';
  readonly requestHash: Hash;
  readonly answer: RunToolOutput | null;
  readonly fragment: string | null;
}

/**
 * The calls of one step, as they are now. The run's pulse is held meanwhile, so no claim of the run
 * comes between this and what is written with it.
 */
export async function readStepCalls(
  query: Query,
  runNo: number,
  step: number,
): Promise<readonly StepCallRow[]> {
  await query({ text: 'select from belayer.pulse where run_no = $1 for share' }, [runNo]);
  return query<StepCallRow>(
    {
      text: `select position, kind, name, state, request_hash as "requestHash", answer, fragment from belayer.call
        where run_no = $1 and kind in ('tool', 'child') and starts_with(position, $2) order by first_claimed_at`,
    },
    [runNo, `${step}.`],
  );
}

/** The newest head of a transcript up to a length, through the runs that it goes on from. */
export async function readHead(
  query: Query,
  chain: { readonly runNo: number; readonly chain: number; readonly length: number },
): Promise<{ readonly head: Hash; readonly isHeld: boolean } | undefined> {
  const [row] = await query<{ head: Hash; isHeld: boolean }>(
    {
      text: `select head, body is not null as "isHeld" from belayer.chain_entries($1, $2, $3, $4)`,
    },
    [chain.runNo, chain.chain, chain.length - 1, chain.length],
  );
  return row;
}

/** The run that has a key, where one has. */
export async function readKeyed(
  database: Database,
  key: { readonly agent: string; readonly customer: string; readonly key: string },
): Promise<{ readonly id: string; readonly inputHash: Hash } | undefined> {
  const [row] = await database.query<{ id: string; inputHash: Hash }>(
    {
      text: `select id, input_hash as "inputHash" from belayer.run
        where agent = $1 and customer = $2 and key = $3 and created_at > clock_timestamp() - interval '30 days'`,
    },
    [key.agent, key.customer, key.key],
  );
  return row;
}
