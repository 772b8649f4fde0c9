/** How each part of a recording becomes rows. */
import { gzipSync } from 'node:zlib';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import type {
  RecordingEnd,
  RecordingHead,
  RecordingLine,
  RecordingPart,
} from '../../contracts/recording.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { sha256 } from '../hash.ts';
import type { Query } from '../transaction.ts';
import { redactedName } from './redact-rows.ts';
import { type Row, runParts } from './recorded-parts.ts';

export interface ImportedRun {
  readonly no: number;
  readonly key: string | null;
  readonly wasOpen: boolean;
}
type Runs = ReadonlyMap<string, ImportedRun>;

const ofRun = new Set<RecordingPart>(runParts.map(({ part }) => part));

export async function insertRun(query: Query, run: string, body: Row): Promise<ImportedRun> {
  const [row] = await query<{ no: number }>(
    {
      // Without its key, and ended in any case: nothing here may start, halt or look for it.
      text: `insert into belayer.run (id, agent, customer, definition, input_hash, options, parent, parent_position, created_at, ended_at, outcome, output_at, steps, fork_of, fork_at, fork)
        select $1, b.agent, b.customer, b.definition, b.input_hash, b.options, b.parent, b.parent_position, b.created_at,
          coalesce(b.ended_at, clock_timestamp()), b.outcome, b.output_at, b.steps, b.fork_of, b.fork_at, b.fork
        from json_populate_record(null::belayer.run, $2::json) b
        on conflict do nothing returning no`,
    },
    [run, JSON.stringify(body)],
  );
  if (row === undefined) throw taken(run, 'is here already');
  await query(
    {
      text: `insert into belayer.pulse (run_no, state, events, system) select $1, state, events, system
        from json_populate_record(null::belayer.pulse, $2::json)`,
    },
    [row.no, JSON.stringify(body)],
  );
  const { key, ended_at: endedAt } = body;
  return { no: row.no, key: typeof key === 'string' ? key : null, wasOpen: endedAt === null };
}

/** Columns that another installation numbers in its own way. */
export function rowText({ part, run, body, position }: RecordingLine, runs: Runs): string {
  if (!ofRun.has(part)) {
    const hash = String(body['hash']);
    const found = sha256(part === 'fragment' ? String(body['body']) : canonicalJson(body['body']));
    if (hash !== found && hash !== redactedName(found))
      throw damaged(`The ${part} \`${position}\` hashes to ${found}.`);
    return JSON.stringify(body);
  }
  const runNo = numberOf(runs, { part, run, body, position });
  if (part === 'budget') return JSON.stringify({ ...body, scope: 'run', subject: String(runNo) });
  if (part === 'segment') {
    const parent = runs.get(String(body['parent_run']))?.no;
    if (parent === undefined)
      throw damaged(
        `A transcript goes on from run \`${String(body['parent_run'])}\`, which it does not hold.`,
      );
    return JSON.stringify({ ...body, run_no: runNo, parent_run_no: parent });
  }
  if (part !== 'call') return JSON.stringify({ ...body, run_no: runNo });
  // An answer is kept byte for byte, so it is put in as it is, once it is known to be JSON.
  const { answer, ...rest } = body;
  if (typeof answer !== 'string') return JSON.stringify({ ...rest, run_no: runNo });
  try {
    JSON.parse(answer);
  } catch {
    throw damaged(`The answer at \`${position}\` of run \`${run}\` is no JSON.`);
  }
  return `${JSON.stringify({ ...rest, run_no: runNo }).slice(0, -1)},"answer":${answer}}`;
}

export async function insertRows(query: Query, part: RecordingPart, rows: string): Promise<void> {
  const insert: Partial<Record<RecordingPart, string>> = {
    fragment: `insert into belayer.fragment (hash, body) select hash, body
      from json_populate_recordset(null::belayer.fragment, $1::json) on conflict do nothing`,
    // Under no agent's name: what has not been published here starts no run.
    definition: `insert into belayer.definition (hash, agent, build_id, body, heads, published_at) select hash, '', build_id, body, heads, '-infinity'
      from json_populate_recordset(null::belayer.definition, $1::json) on conflict do nothing`,
    budget: `insert into belayer.budget (scope, subject, starts_at, ceiling_micro_usd, ceiling_tokens, spent_micro_usd, reserved_micro_usd, spent_tokens, reserved_tokens)
      select scope, subject, starts_at, ceiling_micro_usd, ceiling_tokens, spent_micro_usd, reserved_micro_usd, spent_tokens, reserved_tokens
      from json_populate_recordset(null::belayer.budget, $1::json)`,
  };
  await query(
    {
      text:
        insert[part] ??
        `insert into belayer.${part} select * from json_populate_recordset(null::belayer.${part}, $1::json)`,
    },
    [rows],
  );
}

export async function insertHistory(query: Query, runNo: number, body: Row): Promise<void> {
  const text = JSON.stringify(body['history']);
  if (Number(body['number']) > limits.recordingExecutionsMax)
    throw damaged(`It has more than ${limits.recordingExecutionsMax} executions of one run.`);
  await query(
    {
      text: `insert into belayer.history (run_no, number, execution, closed, events, bytes, sha256, body)
        values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    },
    [runNo, body['number'], body['execution'], body['closed'], body['events'], Buffer.byteLength(text), sha256(text), gzipSync(text)], // prettier-ignore
  );
}

export async function noteImported(
  query: Query,
  {
    head,
    end,
    by,
    seal,
    runs,
  }: {
    readonly head: RecordingHead;
    readonly end: RecordingEnd;
    readonly by: string;
    readonly seal: string;
    readonly runs: Runs;
  },
): Promise<void> {
  const own = <Item extends { readonly run: string }>(items: readonly Item[], run: string) =>
    items.filter((item) => item.run === run || item.run === '');
  for (const [run, { no, key, wasOpen }] of runs)
    await query(
      {
        text: `insert into belayer.imported (run_no, recording, imported_by, exported_at, key, was_open, redactions, void)
          values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      },
      [
        no,
        seal,
        by,
        head.exportedAt,
        key,
        wasOpen,
        JSON.stringify(own(end.redactions, run)),
        JSON.stringify({
          content: own(end.void.content, run),
          prompts: own(end.void.prompts, run),
          histories: own(end.void.histories, run),
          chains: own(end.void.chains, run),
        }),
      ],
    );
}

export function numberOf(runs: Runs, { part, run, position }: RecordingLine): number {
  const no = runs.get(run)?.no;
  if (no !== undefined) return no;
  throw damaged(
    `The ${part} at \`${position}\` is of run \`${run}\`, which comes later or not at all.`,
  );
}

export const damaged = (why: string): BelayerError =>
  new BelayerError(
    failureType.recordingDamaged,
    `The recording is no whole one, though its lines are: ${why} Nothing was imported.`,
  );

export const taken = (run: string, why: string): BelayerError =>
  new BelayerError(
    failureType.runIdTaken,
    `Run \`${run}\` ${why}, so the recording is not imported: one id stands for one run. Nothing was imported.`,
  );
