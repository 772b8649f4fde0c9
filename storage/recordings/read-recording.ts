/** A recording as a value: for replays, and for whoever looks into one. */
import type { Hash } from '../../contracts/agent-run.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import {
  type RecordingEnd,
  recordingFormat,
  type RecordingHead,
  type RecordingLine,
  recordingVersion,
} from '../../contracts/recording.ts';
import { createRecordingReader } from './recording-lines.ts';

export interface RecordedExecution {
  readonly runId: string;
  readonly history: unknown;
}

export interface RecordedHistories {
  readonly workflowId: string;
  /** First to last. */
  readonly executions: readonly RecordedExecution[];
}

export interface Recording extends RecordedHistories {
  /** The recorded run's sub-agents, each with its own histories. */
  readonly children: readonly RecordedHistories[];
  /** Absent in what `belayer histories export` wrote before it wrote recordings. */
  readonly head?: RecordingHead;
  readonly end?: RecordingEnd;
  /** Every line, checked. Empty without a head. */
  readonly lines: readonly RecordingLine[];
  /** The hash of the whole. */
  readonly seal?: Hash;
}

/**
 * Reads what `belayer histories export` wrote, and checks every byte of it.
 *
 * Also takes its older form, one JSON document of `workflowId` and `executions`, which has no hashes.
 * Of bytes every change is found; a text may have lost some when it was decoded.
 * @throws RecordingDamaged  Names the line, the part and the position.
 */
export function readRecording(given: string | Uint8Array): Recording {
  const bytes = typeof given === 'string' ? Buffer.from(given) : Buffer.from(given);
  if (bytes.toString('latin1', 0, 2) !== '["') return readOldForm(bytes.toString('utf8'));
  const reader = createRecordingReader();
  const lines: RecordingLine[] = [];
  for (let from = 0; from < bytes.length;) {
    const to = bytes.indexOf(0x0a, from);
    if (to < 0) break;
    lines.push(reader.line(bytes.subarray(from, to)));
    from = to + 1;
  }
  reader.end();
  if (bytes.at(-1) !== 0x0a)
    throw new BelayerError(
      failureType.recordingDamaged,
      'Bytes were added behind the end of the recording.',
    );
  const head = headOf(lines[0]);
  const end = lines.at(-1)?.body as unknown as RecordingEnd;
  const byRun = new Map<string, RecordedExecution[]>([[head.run, []]]);
  for (const { part, run, body } of lines)
    if (part === 'history') {
      const executions = byRun.get(run) ?? [];
      executions.push({ runId: String(body['execution']), history: body['history'] });
      byRun.set(run, executions);
    }
  const [own, ...children] = [...byRun].map(([workflowId, executions]) => ({
    workflowId,
    executions,
  }));
  return {
    workflowId: head.run,
    executions: own?.executions ?? [],
    children,
    head,
    end,
    lines,
    seal: reader.seal,
  };
}

/** @throws RecordingDamaged  It is no recording, or one of a later version. */
export function headOf(line: RecordingLine | undefined): RecordingHead {
  const head = line?.body as unknown as RecordingHead | undefined;
  if (line?.part !== 'recording' || head?.format !== recordingFormat)
    throw new BelayerError(
      failureType.recordingDamaged,
      'The first line is not that of a recording.',
    );
  if (head.version !== recordingVersion)
    throw new BelayerError(
      failureType.recordingDamaged,
      `The recording has version ${String(head.version)}; this Belayer reads version ${String(recordingVersion)}. Use the release that wrote it, or a later one.`,
    );
  return head;
}

function readOldForm(text: string): Recording {
  const value = parseObject(text);
  const { workflowId, executions } = value ?? {};
  if (typeof workflowId === 'string' && Array.isArray(executions))
    return {
      workflowId,
      executions: executions as readonly RecordedExecution[],
      children: [],
      lines: [],
    };
  throw new BelayerError(
    failureType.recordingDamaged,
    'It is no recording: neither the lines that `belayer histories export` writes, nor one JSON document with `workflowId` and `executions`. If it was one, its first bytes were changed.',
  );
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
