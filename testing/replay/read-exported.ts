/** Any form in which a run's history is given: what Temporal gives, its JSON, what `belayer histories export` wrote. */
import { type History, historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { readRecording } from '../../storage/recordings/read-recording.ts';

/**
 * A history as Temporal gives it (`handle.fetchHistory()`), its JSON, or what `belayer histories export`
 * wrote.
 */
export type ReplayInput = string | object;

export interface ExecutionHistory {
  readonly runId?: string;
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
      return [toRun(value as Exported), ...children.map(toRun)];
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

function toRun({ workflowId, executions: given }: Exported): RunHistory {
  const executions = given.map(({ runId, history }) => ({
    ...(typeof runId === 'string' ? { runId } : {}),
    history: toHistory(typeof history === 'string' ? parse(history) : history),
  }));
  return { run: typeof workflowId === 'string' ? workflowId : runOf(executions), executions };
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
  return typeof first.eventId === 'string' ? historyFromJSON(value) : (value as History);
}

/** The id matters: children are named after it. */
const runOf = (executions: readonly ExecutionHistory[]): string =>
  executions[0]?.history.events?.[0]?.workflowExecutionStartedEventAttributes?.workflowId ||
  'replayed';
