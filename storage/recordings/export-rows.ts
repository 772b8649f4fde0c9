/**
 * The lines of a recording, from the rows of one moment.
 *
 * 1. Nothing is written before every prompt, transcript and content hashes to what was recorded.
 * 2. Redacting goes over all rows twice: what one place gives away is then found in every other.
 */
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import {
  type RecordingEnd,
  recordingFormat,
  type RecordingHead,
  type RecordingLine,
  recordingVersion,
  type VoidHashes,
} from '../../contracts/recording.ts';
import { createRedactor, type RedactionRule, secretRules } from '../../rules/redact.ts';
import { redactHistory } from '../../rules/redact-history.ts';
import type { Query } from '../transaction.ts';
import { checkPrompts, type KnownVoid } from './check-prompts.ts';
import { redactedName, redactRows } from './redact-rows.ts';
import { readRows, recordedFamily, type RecordedRun } from './read-rows.ts';
import {
  type RecordedPart,
  type Row,
  runParts,
  sharedParts,
  wrongHashes,
} from './recorded-parts.ts';
import { createRecordingWriter } from './recording-lines.ts';

export interface RedactionOptions {
  readonly patterns?: readonly RegExp[];
  readonly fields?: readonly string[];
  /** Leaves in what looks like a secret, and was not named. Default false. */
  readonly keepSecrets?: boolean;
}

export interface HistoryToExport {
  readonly number: number;
  readonly runId: string;
  readonly closed: string;
  readonly events: number;
  readonly json: () => Promise<string>;
}

export interface ExportSource {
  readonly query: Query;
  readonly run: string;
  readonly by: string;
  readonly redaction: RedactionOptions;
  /** All histories of one run of the family, first to last. */
  histories(run: RecordedRun): Promise<readonly HistoryToExport[]>;
}

/** Yields line after line; returns what is in them. @throws RecordingDamaged, InputRejected */
export async function* exportRows(source: ExportSource): AsyncGenerator<string, ExportReport> {
  const { query, run } = source;
  const family = await recordedFamily(query, run);
  if (family.length > limits.recordingRunsMax)
    throw new BelayerError(
      failureType.inputRejected,
      `Run \`${run}\` has more than ${limits.recordingRunsMax} runs of sub-agents (recordingRunsMax).`,
    );
  const prompts = await checkFamily(query, family);
  const redactor = createRedactor({
    rules: rulesOf(source.redaction),
    fields: source.redaction.fields ?? [],
    secretFields: source.redaction.keepSecrets !== true,
  });
  const histories = new Map<string, readonly HistoryToExport[]>();
  for (const member of family) histories.set(member.id, await source.histories(member));

  for await (const { part, row, run: id } of rowsOf(query, family)) {
    checkHashes(part, id, row, family);
    for (const field of part.content) learn(redactor, row[field]);
  }
  for (const executions of histories.values())
    for (const { json } of executions)
      redactHistory(JSON.parse(await json()), (value) => {
        learn(redactor, value);
        return value;
      });

  const rows = redactRows(
    redactor,
    family.flatMap((member) => (member.void === null ? [] : [member.void])),
  );
  const writer = createRecordingWriter();
  const counts: Record<string, number> = {};
  const line = (given: RecordingLine): string => {
    counts[given.part] = (counts[given.part] ?? 0) + 1;
    return writer.line(given);
  };
  const head: RecordingHead = {
    format: recordingFormat,
    version: recordingVersion,
    run,
    exportedAt: new Date().toISOString(),
    exportedBy: source.by,
  };
  yield line({ part: 'recording', run, position: '', body: { ...head } });
  for await (const { part, row, run: id } of rowsOf(query, family)) {
    const body = rows.row(part, id, row);
    yield line({ part: part.part, run: id, position: part.position(body), body });
  }
  for (const [id, executions] of histories)
    for (const { number, runId, closed, events, json } of executions) {
      const history = rows.history(id, number, JSON.parse(await json()));
      yield line({
        part: 'history',
        run: id,
        position: String(number),
        body: { number, execution: runId, closed, events, history },
      });
    }
  const end: RecordingEnd = {
    lines: writer.count,
    counts: { ...counts },
    redactions: rows.redactions,
    shortValues: redactor.shortValues,
    opaquePayloads: rows.redactions.length === 0 ? 0 : rows.opaquePayloads,
    void: rows.void,
  };
  yield line({ part: 'end', run, position: '', body: { ...end } });
  return { runs: family.length, prompts, end, seal: writer.seal };
}

export interface ExportReport {
  readonly runs: number;
  /** Prompts that were put together and hash to what was recorded when they were sent. */
  readonly prompts: number;
  readonly end: RecordingEnd;
  /** The hash of the whole. */
  readonly seal: string;
}

async function* rowsOf(
  query: Query,
  family: readonly RecordedRun[],
): AsyncGenerator<{ readonly part: RecordedPart; readonly run: string; readonly row: Row }> {
  for (const part of sharedParts)
    for await (const row of readRows(query, part.select, [family.map(({ no }) => no)]))
      yield { part, run: '', row };
  for (const { no, id } of family)
    for (const part of runParts)
      for await (const row of readRows(query, part.select, [no])) yield { part, run: id, row };
}

async function checkFamily(query: Query, family: readonly RecordedRun[]): Promise<number> {
  let whole = 0;
  for (const { no, id, void: gone } of family) {
    const check = await checkPrompts(query, no, knownVoid(gone, id));
    const [wrong] = check.wrong;
    if (wrong !== undefined)
      throw new BelayerError(
        failureType.recordingDamaged,
        `The ${wrong.what} that is stored for \`${wrong.at}\` of run \`${id}\` is not the one that was recorded: it hashes to ${wrong.found}, and ${wrong.recorded} was recorded (${check.wrong.length} such in all). The database was changed, or is damaged.`,
      );
    whole += check.whole;
  }
  return whole;
}

export function knownVoid(gone: VoidHashes | null, run: string): KnownVoid {
  const prompts = new Set(
    gone?.prompts
      .filter((prompt) => prompt.run === run)
      .map(({ position, attempt }) => `${position}#${attempt}`),
  );
  return {
    prompt: (position, attempt) => prompts.has(`${position}#${attempt}`),
    chainFrom: (chain) =>
      Math.min(
        ...(gone?.chains ?? [])
          .filter((known) => known.run === run && known.chain === chain)
          .map(({ from }) => from),
      ),
  };
}

function checkHashes(
  part: RecordedPart,
  run: string,
  row: Row,
  family: readonly RecordedRun[],
): void {
  for (const { hash, found } of wrongHashes(part, row)) {
    const isVoid =
      hash === redactedName(found) ||
      family.some((member) =>
        member.void?.content.some((known) => known.run === run && known.hash === hash),
      );
    if (isVoid) continue;
    throw new BelayerError(
      failureType.recordingDamaged,
      `The ${part.part} that is stored at \`${part.position(row)}\`${run === '' ? '' : ` of run \`${run}\``} is not what was recorded: it hashes to ${found}, and ${hash} was recorded. The database was changed, or is damaged.`,
    );
  }
}

function rulesOf({ patterns = [], keepSecrets }: RedactionOptions): readonly RedactionRule[] {
  return [
    ...(keepSecrets === true ? [] : secretRules),
    // Numbered: a pattern may be the secret itself.
    ...patterns.map((pattern, index) => ({
      name: `pattern ${index + 1}`,
      pattern: new RegExp(pattern.source, `${pattern.flags.replace('g', '')}g`),
    })),
  ];
}

function learn(redactor: ReturnType<typeof createRedactor>, value: unknown): void {
  try {
    redactor.learn(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new BelayerError(failureType.inputRejected, `${error.message} Nothing was exported.`, {
      cause: error,
    });
  }
}
