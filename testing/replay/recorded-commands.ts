/** What a history says that the workflow decided, in its order. */
import type { Payload } from '@temporalio/common/lib/proto-utils.js';
import { modelPosition, type Position } from '../../contracts/positions.ts';
import type { HistoryEvent, OwnExecution, RecordedCommand } from './command.ts';
import { toMs, toNumber, toSearchAttributes, toValue, toValueMap } from './plain-values.ts';
import { endOf } from './recorded-end.ts';
import {
  type Add,
  addCall,
  addChild,
  addMarker,
  addOther,
  addTimer,
  addUpdate,
  type Seen,
} from './recorded-events.ts';

export interface RecordedExecution {
  readonly own: OwnExecution;
  readonly commands: readonly RecordedCommand[];
  /** Workflow tasks that were completed, by the event that started them. */
  readonly completedTasks: ReadonlySet<number>;
  /** The last step of the executions before. */
  readonly behind?: Position;
  /** The workflow ended itself. Else it runs, or was ended from outside. */
  readonly endedItself: boolean;
}

export function recordedCommands(events: readonly HistoryEvent[], run: string): RecordedExecution {
  const commands: RecordedCommand[] = [];
  const startOfTask = new Map<number, number>();
  const counts = new Map<string, number>();
  const seen: Seen = {
    activities: new Map(),
    updates: new Map(),
    children: new Map(),
    count(what) {
      counts.set(what, (counts.get(what) ?? 0) + 1);
      return counts.get(what) ?? 0;
    },
  };
  for (const event of events) {
    const eventId = toNumber(event.eventId);
    const done = event.workflowTaskCompletedEventAttributes;
    if (done != null) startOfTask.set(eventId, toNumber(done.startedEventId));
    const add: Add = (key, kind, fields, { completed, position } = {}) => {
      const task = completed == null ? undefined : startOfTask.get(toNumber(completed));
      commands.push({
        key,
        kind,
        fields,
        eventId,
        ...(task === undefined ? {} : { task }),
        ...(position === undefined ? {} : { position }),
      });
    };
    addCall(event, seen, add);
    addChild(event, seen, run, add);
    addMarker(event, seen, add);
    addUpdate(event, seen, add);
    addTimer(event, add);
    addOther(event, seen, add);
    const end = endOf(event);
    if (end !== undefined) add('end', end.kind, end.fields, { completed: end.completed });
  }
  return {
    own: ownExecution(events),
    commands,
    completedTasks: new Set(startOfTask.values()),
    ...carriedStep(events[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]),
    endedItself: commands.some(({ key }) => key === 'end'),
  };
}

function ownExecution(events: readonly HistoryEvent[]): OwnExecution {
  const started = events[0]?.workflowExecutionStartedEventAttributes;
  return {
    workflowType: started?.workflowType?.name ?? '',
    taskQueue: started?.taskQueue?.name ?? '',
    workflowRunTimeoutMs: toMs(started?.workflowRunTimeout),
    workflowTaskTimeoutMs: toMs(started?.workflowTaskTimeout),
    memo: toValueMap(started?.memo?.fields),
    searchAttributes: toSearchAttributes(started?.searchAttributes),
  };
}

/** How far the executions before this one came. */
export function carriedStep(input: Payload | null | undefined): { readonly behind?: Position } {
  const started = toValue(input) as { readonly carried?: { readonly step?: unknown } } | undefined;
  const step = started?.carried?.step;
  return typeof step === 'number' && step > 0 ? { behind: modelPosition(step) } : {};
}
