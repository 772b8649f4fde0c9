/** Whether one execution of a run begins with what the one before it handed over. */
import type { ReplayDifference } from './difference.ts';
import { firstDifference } from './first-difference.ts';
import { toMs, toNumber, toSearchAttributes, toValueMap, toValues } from './plain-values.ts';
import type { RunHistory } from './read-exported.ts';
import { carriedStep } from './recorded-commands.ts';

type Found = Omit<ReplayDifference, 'run' | 'execution' | 'runId'>;

export function compareExecutions(run: RunHistory, index: number): Found | undefined {
  const started = run.executions[index]?.history.events?.[0];
  const start = started?.workflowExecutionStartedEventAttributes;
  const before = run.executions[index - 1];
  const handed = before?.history.events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes;
  const { behind } = carriedStep(handed?.input?.payloads?.[0]);
  const at = (change: Pick<Found, 'command' | 'path' | 'recorded' | 'today'>): Found => ({
    ...change,
    what: 'executions',
    ...(behind === undefined ? {} : { position: behind, positionIs: 'before' }),
    eventId: toNumber(started?.eventId),
  });
  if (start == null)
    return at({ command: 'start of the execution', recorded: started?.eventType ?? undefined });
  if (index === 0) return undefined;
  if (handed == null)
    return at({ command: 'start of the execution', recorded: 'follows one that did not continue' });
  // An execution that was reset has an id of its own, and remembers the one that it was started with.
  const runId = start.originalExecutionRunId || handed.newExecutionRunId;
  const difference = firstDifference(
    {
      runId: handed.newExecutionRunId,
      continuedFrom: before?.runId ?? start.continuedExecutionRunId,
      workflowType: handed.workflowType?.name,
      taskQueue: handed.taskQueue?.name,
      input: toValues(handed.input?.payloads),
      header: toValueMap(handed.header?.fields),
      memo: toValueMap(handed.memo?.fields),
      searchAttributes: toSearchAttributes(handed.searchAttributes),
      workflowTaskTimeoutMs: toMs(handed.workflowTaskTimeout),
    },
    {
      runId,
      continuedFrom: start.continuedExecutionRunId,
      workflowType: start.workflowType?.name,
      taskQueue: start.taskQueue?.name,
      input: toValues(start.input?.payloads),
      header: toValueMap(start.header?.fields),
      memo: toValueMap(start.memo?.fields),
      searchAttributes: toSearchAttributes(start.searchAttributes),
      workflowTaskTimeoutMs: toMs(start.workflowTaskTimeout),
    },
  );
  if (difference === undefined) return undefined;
  const { path, recorded, today } = difference;
  return at({ command: 'start of the execution', path, recorded, today });
}
