/**
 * Puts a recording into the database, whole or not at all.
 *
 * 1. Every line is checked as it comes, every hash of content with it; prompts and transcripts are put
 *    together from what was written and held against their hashes, before anything is committed.
 * 2. What is shared (definitions, heads of prompts) is found by hash, so its hash is computed here: a
 *    recording cannot put other content in its place. An imported definition starts no run.
 */
import type { RecordingEnd, RecordingHead, RecordingPart } from '../../contracts/recording.ts';
import type { Query } from '../transaction.ts';
import { checkPrompts } from './check-prompts.ts';
import { knownVoid } from './export-rows.ts';
import { headOf } from './read-recording.ts';
import { redactedName } from './redact-rows.ts';
import { damaged, type ImportedRun, insertHistory, insertRows, insertRun, noteImported, numberOf, rowText, taken } from './insert-parts.ts'; // prettier-ignore
import { type RecordedPart, runParts, sharedParts, wrongHashes } from './recorded-parts.ts';
import { createRecordingReader } from './recording-lines.ts';

export interface ImportReport {
  readonly run: string;
  readonly runs: readonly string[];
  /** False: the same recording was imported before, and nothing changed. */
  readonly isNew: boolean;
  readonly executions: number;
  /** Prompts that hash to what was recorded when they were sent. */
  readonly prompts: number;
  readonly end: RecordingEnd;
  readonly seal: string;
}

const known = new Map<RecordingPart, RecordedPart>(
  [...sharedParts, ...runParts].map((part) => [part.part, part]),
);

/** @throws RecordingDamaged, RunIdTaken  Nothing was imported. */
export async function importRows(
  query: Query,
  lines: AsyncIterable<Buffer>,
  by: string,
): Promise<ImportReport> {
  const reader = createRecordingReader();
  const runs = new Map<string, ImportedRun>();
  const mismatches: { run: string; part: RecordingPart; position: string; hash: string }[] = [];
  let head: RecordingHead | undefined;
  let end: RecordingEnd | undefined;
  let executions = 0;
  let already: { readonly recording: string } | undefined;
  let batch: { part: RecordingPart; rows: string[]; bytes: number } | undefined;

  const flush = async (): Promise<void> => {
    if (batch === undefined || batch.rows.length === 0) return;
    const { part, rows } = batch;
    batch = undefined;
    await insertRows(query, part, `[${rows.join(',')}]`);
  };

  for await (const bytes of lines) {
    const line = reader.line(bytes);
    const { part, run, body } = line;
    if (head === undefined) {
      head = headOf(line);
      already = await earlierImport(query, head.run);
      continue;
    }
    if (part === 'end') {
      end = body as unknown as RecordingEnd;
      continue;
    }
    const recorded = known.get(part);
    if (recorded !== undefined)
      for (const { hash, found } of wrongHashes(recorded, body))
        if (hash !== redactedName(found))
          mismatches.push({ run, part, position: line.position, hash });
    // The same file again is only read.
    if (already !== undefined) continue;
    if (part === 'run') {
      await flush();
      runs.set(run, await insertRun(query, run, body));
    } else if (part === 'history') {
      await flush();
      await insertHistory(query, numberOf(runs, line), body);
      executions += 1;
    } else if (recorded !== undefined) {
      const row = rowText(line, runs);
      if (batch?.part !== part || batch.bytes + row.length > batchBytesMax) await flush();
      batch ??= { part, rows: [], bytes: 0 };
      batch.rows.push(row);
      batch.bytes += row.length;
    } else throw damaged(`It has a part \`${part}\`, which this release does not know.`);
  }
  reader.end();
  await flush();
  if (head === undefined || end === undefined) throw damaged('It is empty.');
  checkMismatches(mismatches, end);
  const report = { run: head.run, executions, end, seal: reader.seal };
  if (already !== undefined) {
    if (already.recording === reader.seal) return { ...report, runs: [], isNew: false, prompts: 0 };
    throw taken(head.run, 'was imported from another recording');
  }
  if (!runs.has(head.run)) throw damaged(`It holds no run \`${head.run}\`.`);
  await noteImported(query, { head, end, by, seal: reader.seal, runs });
  let prompts = 0;
  for (const [run, { no }] of runs) {
    const check = await checkPrompts(query, no, knownVoid(end.void, run));
    const [wrong] = check.wrong;
    if (wrong !== undefined)
      throw damaged(
        `The ${wrong.what} \`${wrong.at}\` of run \`${run}\` hashes to ${wrong.found}, and ${wrong.recorded} was recorded.`,
      );
    prompts += check.whole;
  }
  return { ...report, runs: [...runs.keys()], isNew: true, prompts };
}

/** What one insert carries: a statement of many megabytes is parsed in memory. */
const batchBytesMax = 1024 * 1024;

async function earlierImport(
  query: Query,
  run: string,
): Promise<{ readonly recording: string } | undefined> {
  const [row] = await query<{ recording: string | null }>(
    {
      text: `select i.recording from belayer.run r left join belayer.imported i on i.run_no = r.no where r.id = $1`,
    },
    [run],
  );
  if (row === undefined) return undefined;
  if (row.recording === null) throw taken(run, 'ran here, or runs here');
  return { recording: row.recording };
}

function checkMismatches(
  mismatches: readonly {
    readonly run: string;
    readonly part: RecordingPart;
    readonly position: string;
    readonly hash: string;
  }[],
  end: RecordingEnd,
): void {
  const gone = new Set(end.void.content.map(({ run, part, hash }) => `${run} ${part} ${hash}`));
  const wrong = mismatches.find(({ run, part, hash }) => !gone.has(`${run} ${part} ${hash}`));
  if (wrong !== undefined)
    throw damaged(
      `The ${wrong.part} at \`${wrong.position}\`${wrong.run === '' ? '' : ` of run \`${wrong.run}\``} does not hash to ${wrong.hash}, which was recorded.`,
    );
}
