/** Starting runs, and the rows of runs that have no workflow yet. */
import type { AgentRunInput, Hash } from '../contracts/agent-run.ts';
import type { RunOptions } from '../contracts/run-options.ts';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import { admissionLimits, toAdmissionRefused } from './admission-refused.ts';
import type { Database } from './database.ts';
import { toStartStopped } from './stop-flags.ts';

export interface StartRow {
  readonly run: string;
  readonly agent: string;
  readonly customer?: string;
  readonly key?: string;
  readonly definition: Hash;
  readonly inputHash: Hash;
  readonly options?: RunOptions;
  /** The caller's own words, as the first message of the transcript. */
  readonly fragment: string;
  readonly head: Hash;
  readonly costMicroUsd: number;
  readonly tokens: number;
  readonly parent?: { readonly run: string; readonly position: Position };
  /** Where places are short it queues, and its workflow is not to be started. Absent: it is started in any case. */
  readonly mayQueue?: true;
}

export interface StartVerdict {
  readonly verdict: 'started' | 'existing' | 'key-reused' | 'stale' | 'unknown-agent';
  /** Of the run that has the key. */
  readonly run: string | null;
  readonly newest: Hash | null;
  readonly is_queued: boolean;
}

const startRunStatement = {
  name: 'start_in_turn',
  text: `select * from belayer.start_in_turn($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)`,
};

/**
 * Writes a run's row, unique in (agent, customer, key). The workflow is started afterwards.
 *
 * @throws StartStopped      A stop flag covers it, and no such run exists. Nothing was written.
 * @throws AdmissionRefused  It would have to queue, and the queue is full. Nothing was written.
 */
export async function insertRun(database: Database, row: StartRow): Promise<StartVerdict> {
  const rows = database.query<StartVerdict>(startRunStatement, [
    row.run,
    row.agent,
    row.customer ?? '',
    row.key ?? null,
    row.definition,
    row.inputHash,
    row.options === undefined ? null : JSON.stringify(row.options),
    row.fragment,
    row.head,
    row.costMicroUsd,
    row.tokens,
    row.parent?.run ?? null,
    row.parent?.position ?? null,
    row.mayQueue === true ? JSON.stringify(admissionLimits) : null,
  ]);
  const [verdict] = await rows.catch((error: unknown) => {
    throw toAdmissionRefused(toStartStopped(error));
  });
  invariant(verdict !== undefined, 'start_in_turn answers with one row');
  return verdict;
}

export interface RunToStart {
  readonly id: string;
  readonly agent: string;
  readonly customer: string;
  readonly definition: Hash;
  readonly options: RunOptions | null;
  readonly head: Hash;
  readonly bytes: number;
  /** Of a fork: what its workflow is started with. Its first message may be another run's. */
  readonly forkInput: AgentRunInput | null;
}

/** What `startOf` needs of a run `r` and its first entry `e`. */
export const startColumns = `r.id, r.agent, r.customer, r.definition, r.options, e.head, octet_length(e.fragment) as bytes, r.fork->'input' as "forkInput"`;

/** Takes runs whose workflow was never seen, so that two sweeps do not take the same ones. */
export function takeUnstarted(database: Database): Promise<readonly RunToStart[]> {
  return database.query<RunToStart>(
    {
      name: 'take_unstarted',
      text: `with taken as (
          update belayer.pulse set swept_at = clock_timestamp() where run_no in (
            select p.run_no from belayer.pulse p join belayer.run r on r.no = p.run_no
            where p.state = 'starting' and r.parent is null and r.ended_at is null
              and r.created_at < clock_timestamp() - $1::int * interval '1 ms'
              and (p.swept_at is null or p.swept_at < clock_timestamp() - interval '30 seconds')
            order by p.run_no limit $2 for update of p skip locked)
          returning run_no)
        select ${startColumns} from taken join belayer.run r on r.no = taken.run_no
        left join belayer.entry e on e.run_no = r.no and e.chain = 0 and e.seq = 0`,
    },
    [limits.sweepOlderThanMs, limits.sweepRowsMax],
  );
}

/** Lets the next sweep take runs again that this one could not start. */
export async function putBack(database: Database, runs: readonly string[]): Promise<void> {
  await database.query(
    {
      name: 'put_back',
      text: `update belayer.pulse p set swept_at = null from belayer.run r
        where r.id = any($1::text[]) and p.run_no = r.no and p.state = 'starting'`,
    },
    [runs],
  );
}
