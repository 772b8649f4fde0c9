import type { CommandKind, Fields, HistoryEvent } from './command.ts';
import {
  toFailure,
  toMs,
  type toNumber,
  toSearchAttributes,
  toValue,
  toValueMap,
  toValues,
} from './plain-values.ts';

interface End {
  readonly kind: CommandKind;
  readonly fields: Fields;
  readonly completed: Parameters<typeof toNumber>[0];
}

/** How a workflow says that it ended its execution itself. */
export function endOf(event: HistoryEvent): End | undefined {
  const done = event.workflowExecutionCompletedEventAttributes;
  if (done != null)
    return {
      kind: 'run completed',
      fields: { result: toValue(done.result?.payloads?.[0]) },
      completed: done.workflowTaskCompletedEventId,
    };
  const failed = event.workflowExecutionFailedEventAttributes;
  if (failed != null)
    return {
      kind: 'run failed',
      fields: { failure: toFailure(failed.failure) },
      completed: failed.workflowTaskCompletedEventId,
    };
  const cancelled = event.workflowExecutionCanceledEventAttributes;
  if (cancelled != null)
    return {
      kind: 'run cancelled',
      fields: {},
      completed: cancelled.workflowTaskCompletedEventId,
    };
  const continued = event.workflowExecutionContinuedAsNewEventAttributes;
  if (continued == null) return undefined;
  return {
    kind: 'continue as new',
    fields: {
      workflowType: continued.workflowType?.name ?? '',
      taskQueue: continued.taskQueue?.name ?? '',
      input: toValues(continued.input?.payloads),
      header: toValueMap(continued.header?.fields),
      workflowRunTimeoutMs: toMs(continued.workflowRunTimeout),
      workflowTaskTimeoutMs: toMs(continued.workflowTaskTimeout),
      memo: toValueMap(continued.memo?.fields),
      searchAttributes: toSearchAttributes(continued.searchAttributes),
    },
    completed: continued.workflowTaskCompletedEventId,
  };
}
