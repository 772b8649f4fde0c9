/** Histories that the database keeps: compressed, found by number, checked by hash when they are read. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Hash } from '../../contracts/agent-run.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { sha256 } from '../hash.ts';
import type { Query } from '../transaction.ts';
import { runUnknown } from '../ledger.ts';

export type Closed = 'continued' | 'ended' | 'open';

export interface KeptHistory {
  /** From 1, the first execution. */
  readonly number: number;
  /** Temporal's run id. */
  readonly execution: string;
  readonly closed: Closed;
  readonly events: number;
  /** Of the history's JSON. */
  readonly bytes: number;
  readonly sha256: Hash;
}

/** What stands between a run and its histories. */
export interface HistoriesOfRun {
  readonly endedAt: Date | null;
  readonly imported: boolean;
  readonly removedAt: Date | null;
  readonly removedDays: number | null;
  readonly kept: readonly KeptHistory[];
}

interface Asker {
  readonly query: Query;
}

/** @throws RunUnknown */
export async function keptHistories(database: Asker, run: string): Promise<HistoriesOfRun> {
  const rows = await database.query<HistoriesOfRun & { kept: readonly KeptHistory[] }>(
    {
      text: `select case when not coalesce(i.was_open, false) then r.ended_at end as "endedAt", i.run_no is not null as imported,
          a.removed_at as "removedAt", a.removed_days as "removedDays",
          coalesce((select json_agg(json_build_object('number', h.number, 'execution', h.execution, 'closed', h.closed,
            'events', h.events, 'bytes', h.bytes, 'sha256', h.sha256) order by h.number)
            from belayer.history h where h.run_no = r.no), '[]') as kept
        from belayer.run r left join belayer.imported i on i.run_no = r.no left join belayer.archive a on a.run_no = r.no
        where r.id = $1`,
    },
    [run],
  );
  const [row] = rows;
  if (row === undefined) throw runUnknown(run);
  return row;
}

/**
 * Refuses what needs the histories of a run that are not kept any more.
 *
 * @throws RecordingExpired
 */
export function checkRecorded(
  run: string,
  { endedAt, removedAt, removedDays }: Omit<HistoriesOfRun, 'kept'>,
): void {
  if (removedAt === null) return;
  throw new BelayerError(
    failureType.recordingExpired,
    `Recordings of runs are kept for ${removedDays} days (BELAYER_RECORDING_DAYS); run \`${run}\` ended on ${day(endedAt)}, and its histories were deleted on ${day(removedAt)}. Its rows, prompts and journal are still there.`,
  );
}

const day = (at: Date | null): string => at?.toISOString().slice(0, 10) ?? 'an unknown day';

/** The JSON of one history. @throws RecordingDamaged  It is not what was kept. */
export async function readKeptHistory(
  database: Asker,
  run: string,
  number: number,
): Promise<string> {
  const [row] = await database.query<{ body: Buffer; sha256: Hash }>(
    {
      text: `select h.body, h.sha256 from belayer.history h join belayer.run r on r.no = h.run_no
        where r.id = $1 and h.number = $2`,
    },
    [run, number],
  );
  const text = await promisify(gunzip)(row?.body ?? Buffer.alloc(0))
    .then((bytes) => bytes.toString('utf8'))
    .catch(() => undefined);
  if (row !== undefined && text !== undefined && sha256(text) === row.sha256) return text;
  throw new BelayerError(
    failureType.recordingDamaged,
    `The archived history of execution ${number} of run \`${run}\` is not what was archived: ${text === undefined ? 'it cannot be decompressed' : `it hashes to ${sha256(text)}, and ${row?.sha256} was recorded`}. The database was changed, or is damaged.`,
  );
}

/**
 * Keeps one history. The same execution again changes nothing; another one under its number, which a
 * reset has made, takes its place.
 */
export async function keepHistory(
  database: Asker,
  runNo: number,
  history: Pick<KeptHistory, 'number' | 'execution' | 'closed' | 'events'> & {
    readonly text: string;
  },
): Promise<void> {
  const { number, execution, closed, events, text } = history;
  const body = await promisify(gzip)(text);
  await database.query(
    {
      name: 'keep_history',
      text: `insert into belayer.history as h (run_no, number, execution, closed, events, bytes, sha256, body)
        select no, $2, $3, $4, $5, $6, $7, $8 from belayer.run where no = $1
        on conflict (run_no, number) do update set execution = excluded.execution, closed = excluded.closed, events = excluded.events,
          bytes = excluded.bytes, sha256 = excluded.sha256, body = excluded.body, archived_at = clock_timestamp()
        where h.execution <> excluded.execution`,
    },
    [runNo, number, execution, closed, events, Buffer.byteLength(text), sha256(text), body],
  );
}
