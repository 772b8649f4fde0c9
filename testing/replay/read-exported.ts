/** Any form in which a run's history is given: what Temporal gives, its JSON, what `belayer histories export` wrote. */
import { type History, historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import type { RecordingEnd } from '../../contracts/recording.ts';
import { readRecording } from '../../storage/recordings/read-recording.ts';

/**
 * A history as Temporal gives it (`handle.fetchHistory()`), its JSON, or what `belayer histories export`
 * wrote.
 */
export type ReplayInput = string | object;

export interface ExecutionHistory {
  readonly runId?: string;
  /** Values that were taken out of its payloads when it was exported, at least 1. Absent: none. */
  readonly redactedValues?: number;
  readonly history: History;
}

export interface RunHistory {
  readonly run: string;
  /** First to last. */
  readonly executions: readonly ExecutionHistory[];
}

/**
 * The runs of an export, the exported one first: a recording holds its sub-agents' runs too.
 *
 * @throws TypeError, RecordingDamaged  It is none of these.
 */
export function readExported(input: ReplayInput): readonly [RunHistory, ...RunHistory[]] {
  const value =
    typeof input !== 'string' ? input : isRecording(input) ? readRecording(input) : parse(input);
  if (typeof value === 'object' && value !== null) {
    if ('executions' in value && Array.isArray(value.executions)) {
      const children =
        'children' in value && Array.isArray(value.children) ? (value.children as Exported[]) : [];
      const end = 'end' in value ? (value.end as RecordingEnd) : undefined;
      return [toRun(value as Exported, end), ...children.map((child) => toRun(child, end))];
    }
    if ('events' in value) {
      const executions = [{ history: toHistory(value) }];
      return [{ run: runOf(executions), executions }];
    }
  }
  throw new TypeError(
    'A history has `events`, an exported run has `executions`; this value has neither.',
  );
}

interface Exported {
  readonly workflowId?: unknown;
  readonly executions: readonly { readonly runId?: unknown; readonly history?: unknown }[];
}

function toRun({ workflowId, executions: given }: Exported, end?: RecordingEnd): RunHistory {
  const executions = given.map(({ runId, history }, index) => ({
    ...(typeof runId === 'string' ? { runId } : {}),
    ...redactedIn(end, workflowId, index + 1),
    history: toHistory(typeof history === 'string' ? parse(history) : history),
  }));
  return { run: typeof workflowId === 'string' ? workflowId : runOf(executions), executions };
}

/** @param execution  From 1, the first that is in the file. */
function redactedIn(end: RecordingEnd | undefined, run: unknown, execution: number) {
  if (end?.void.histories.some((one) => one.run === run && one.execution === execution) !== true)
    return {};
  const counts = end.redactions
    .filter(
      ({ part, run: of, position }) =>
        part === 'history' && of === run && position === String(execution),
    ) // prettier-ignore
    .map(({ count }) => count);
  return { redactedValues: Math.max(1, counts.reduce((sum, count) => sum + count, 0)) }; // prettier-ignore
}

/** A recording is lines, each an array that begins with its part. */
const isRecording = (text: string): boolean => text.startsWith('["');

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new TypeError(`A history is JSON; this is not: ${(error as Error).message}`);
  }
};

function toHistory(value: unknown): History {
  const events: unknown =
    typeof value === 'object' && value !== null && 'events' in value ? value.events : undefined;
  const [first] = Array.isArray(events) ? (events as unknown[]) : [];
  if (typeof first !== 'object' || first === null || !('eventId' in first))
    throw new TypeError('A history has `events`, each with an `eventId`; this one has none.');
  if (typeof first.eventId !== 'string') return value as History;
  try {
    return historyFromJSON(value);
  } catch (error) {
    throw new TypeError(`A history is what Temporal writes; this is not: ${(error as Error).message}`); // prettier-ignore
  }
}

/** The id matters: children are named after it. */
const runOf = (executions: readonly ExecutionHistory[]): string =>
  executions[0]?.history.events?.[0]?.workflowExecutionStartedEventAttributes?.workflowId ||
  'replayed';
