import type { WorkflowCommand } from '../../workflows/watch-replay.ts';
import type { Command, Fields, OwnExecution } from './command.ts';
import {
  toFailure,
  toMs,
  toSearchAttributes,
  toValue,
  toValueMap,
  toValues,
} from './plain-values.ts';

/** How today's code ends the execution, as `recorded-end.ts` reads it from events. */
export function todaysEnd(
  command: WorkflowCommand,
  own: OwnExecution,
  queue: (name: string | null | undefined) => string,
): Omit<Command, 'task'> | undefined {
  const { completeWorkflowExecution: done, failWorkflowExecution: failed } = command;
  if (done != null)
    return { key: 'end', kind: 'run completed', fields: { result: toValue(done.result) } };
  if (failed != null)
    return { key: 'end', kind: 'run failed', fields: { failure: toFailure(failed.failure) } };
  if (command.cancelWorkflowExecution != null)
    return { key: 'end', kind: 'run cancelled', fields: {} };
  const next = command.continueAsNewWorkflowExecution;
  if (next == null) return undefined;
  const fields: Fields = {
    workflowType: next.workflowType ?? own.workflowType,
    taskQueue: queue(next.taskQueue),
    input: toValues(next.arguments),
    header: toValueMap(next.headers),
    workflowRunTimeoutMs: toMs(next.workflowRunTimeout) || own.workflowRunTimeoutMs,
    workflowTaskTimeoutMs: toMs(next.workflowTaskTimeout) || own.workflowTaskTimeoutMs,
    memo: next.memo == null ? own.memo : toValueMap(next.memo),
    searchAttributes:
      next.searchAttributes == null
        ? own.searchAttributes
        : toSearchAttributes(next.searchAttributes),
  };
  return { key: 'end', kind: 'continue as new', fields };
}
