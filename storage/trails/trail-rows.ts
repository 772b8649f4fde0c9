/** What is on record of one run, as rows: the same from the database and from a recording's file. */
import type { Hash } from '../../contracts/agent-run.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import type { RecordingPart, Redaction } from '../../contracts/recording.ts';
import { readRecording, type Recording } from '../recordings/read-recording.ts';
import { readRows } from '../recordings/read-rows.ts';
import { type Row, runParts, sharedParts } from '../recordings/recorded-parts.ts';
import type { Query } from '../transaction.ts';

export type { Row };

export interface TrailRows {
  readonly run: string;
  readonly from: 'run' | 'imported run' | 'file';
  /** Values that were taken out of it when it was exported. */
  readonly redactedValues: number;
  /** In the order in which a recording has them. */
  rows(part: RecordingPart): readonly Row[];
  /** Shared content by its hash: heads of prompts, long arguments. */
  fragment(hash: Hash): string | undefined;
}

/** Where rows of runs come from. */
export interface TrailSource {
  /** `undefined` where it does not hold the run. */
  read(run: string): Promise<TrailRows | undefined>;
}

/** Histories, events and the raw decisions say nothing that a trail shows and these do not. */
const partsRead: ReadonlySet<RecordingPart> = new Set([
  'run',
  'budget',
  'said',
  'call',
  'entry',
  'segment',
  'attempt',
  'request',
]);

const fragments = sharedParts.filter(({ part }) => part === 'fragment');

/** `query` of one reading transaction: a run that goes on meanwhile is seen at one moment. */
export function trailsOnRecord(query: Query): TrailSource {
  return {
    async read(run) {
      const [known] = await query<{ no: number; redactions: readonly Redaction[] | null }>(
        {
          text: 'select r.no, i.redactions from belayer.run r left join belayer.imported i on i.run_no = r.no where r.id = $1',
        },
        [run],
      );
      if (known === undefined) return undefined;
      const byPart = new Map<RecordingPart, readonly Row[]>();
      for (const { part, select } of runParts)
        if (partsRead.has(part)) byPart.set(part, await all(query, select, [known.no]));
      const bodies = new Map<Hash, string>();
      for (const { select } of fragments)
        for (const row of await all(query, select, [[known.no]]))
          bodies.set(String(row['hash']), String(row['body']));
      return {
        run,
        from: known.redactions === null ? 'run' : 'imported run',
        redactedValues: countOf(known.redactions ?? [], run),
        rows: (part) => byPart.get(part) ?? [],
        fragment: (hash) => bodies.get(hash),
      };
    },
  };
}

async function all(query: Query, select: string, values: readonly unknown[]): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of readRows(query, select, values)) rows.push(row);
  return rows;
}

export interface RecordedTrails extends TrailSource {
  /** The run that was exported. */
  readonly run: string;
}

/**
 * The runs in a recording: the exported one, its sub-agents', and those whose transcript one goes on from.
 *
 * @throws RecordingDamaged  It was changed, or is none.
 * @throws InputRejected     It is in the older form, which holds histories and no content.
 */
export function trailsInRecording(given: string | Uint8Array): RecordedTrails {
  const recording: Recording = readRecording(given);
  if (recording.head === undefined)
    throw new BelayerError(
      failureType.inputRejected,
      'The recording is in the form from before version 1: it holds histories, and nothing of what was said. Export the run again.',
    );
  const byRun = new Map<string, Map<RecordingPart, Row[]>>();
  const bodies = new Map<Hash, string>();
  for (const { part, run, body } of recording.lines) {
    if (part === 'fragment') bodies.set(String(body['hash']), String(body['body']));
    if (!partsRead.has(part)) continue;
    const parts = byRun.get(run) ?? new Map<RecordingPart, Row[]>();
    byRun.set(run, parts);
    const rows = parts.get(part) ?? [];
    parts.set(part, rows);
    rows.push(body);
  }
  return {
    run: recording.workflowId,
    read(run) {
      const parts = byRun.get(run);
      return Promise.resolve(
        parts?.has('run') !== true
          ? undefined
          : {
              run,
              from: 'file' as const,
              redactedValues: countOf(recording.end?.redactions ?? [], run),
              rows: (part: RecordingPart) => parts.get(part) ?? [],
              fragment: (hash: Hash) => bodies.get(hash),
            },
      );
    },
  };
}

/** What runs share is counted for each of them. */
const countOf = (redactions: readonly Redaction[], run: string): number =>
  redactions
    .filter((redaction) => redaction.run === run || redaction.run === '')
    .reduce((sum, { count }) => sum + count, 0);
