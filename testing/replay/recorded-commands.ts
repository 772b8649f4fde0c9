/** What a history says that the workflow decided, in its order. */
import type { Payload } from '@temporalio/common/lib/proto-utils.js';
import {
  activityFields,
  childFields,
  childPosition,
  positionIn,
  timerFields,
} from './command-fields.ts';
import type {
  CommandKind,
  Fields,
  HistoryEvent,
  OwnExecution,
  RecordedCommand,
} from './command.ts';
import { modelPosition, type Position } from '../../contracts/positions.ts';
import { endOf } from './recorded-end.ts';
import {
  toFailure,
  toMs,
  toNumber,
  toSearchAttributes,
  toValue,
  toValueMap,
} from './plain-values.ts';

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

type Whole = Parameters<typeof toNumber>[0];
type Add = (
  key: string,
  kind: CommandKind,
  fields: Fields,
  more?: { readonly completed?: Whole; readonly position?: string | undefined },
) => void;

/** What later events refer to by event id or workflow id. */
interface Seen {
  readonly activities: Map<number, string>;
  readonly updates: Map<number, string>;
  readonly children: Map<string, number>;
  readonly count: (what: string) => number;
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

function addCall(event: HistoryEvent, seen: Seen, add: Add): void {
  const activity = event.activityTaskScheduledEventAttributes;
  if (activity != null) {
    const id = activity.activityId ?? '';
    seen.activities.set(toNumber(event.eventId), id);
    const fields = activityFields({
      ...activity,
      type: activity.activityType?.name,
      taskQueue: activity.taskQueue?.name,
      input: activity.input?.payloads,
      header: activity.header?.fields,
      metadata: event.userMetadata,
    });
    add(`activity ${id}`, 'activity', fields, {
      completed: activity.workflowTaskCompletedEventId,
      position: positionIn((fields['input'] as readonly unknown[])[0]),
    });
  }
  const cancelled = event.activityTaskCancelRequestedEventAttributes;
  if (cancelled != null) {
    const id = seen.activities.get(toNumber(cancelled.scheduledEventId)) ?? '';
    const completed = cancelled.workflowTaskCompletedEventId;
    add(`cancel activity ${id}`, 'cancel activity', { activityId: id }, { completed });
  }
}

function addTimer(event: HistoryEvent, add: Add): void {
  const timer = event.timerStartedEventAttributes;
  if (timer != null)
    add(
      `timer ${timer.timerId}`,
      'timer',
      timerFields(timer.startToFireTimeout, event.userMetadata),
      { completed: timer.workflowTaskCompletedEventId },
    );
  const cancelled = event.timerCanceledEventAttributes;
  if (cancelled != null) {
    const { timerId, workflowTaskCompletedEventId: completed } = cancelled;
    add(`cancel timer ${timerId}`, 'cancel timer', { timerId: timerId ?? '' }, { completed });
  }
}

function addChild(event: HistoryEvent, seen: Seen, run: string, add: Add): void {
  const child = event.startChildWorkflowExecutionInitiatedEventAttributes;
  if (child != null) {
    const number = seen.count('child');
    const workflowId = child.workflowId ?? '';
    seen.children.set(workflowId, number);
    const fields = childFields({
      ...child,
      type: child.workflowType?.name,
      taskQueue: child.taskQueue?.name,
      input: child.input?.payloads,
      header: child.header?.fields,
      memo: child.memo?.fields,
      metadata: event.userMetadata,
    });
    add(`child ${number}`, 'child run', fields, {
      completed: child.workflowTaskCompletedEventId,
      position: childPosition(run, workflowId),
    });
  }
  const cancelled = event.requestCancelExternalWorkflowExecutionInitiatedEventAttributes;
  if (cancelled != null) {
    const workflowId = cancelled.workflowExecution?.workflowId ?? '';
    add(
      `cancel child ${seen.children.get(workflowId)}`,
      'cancel child run',
      { workflowId },
      {
        completed: cancelled.workflowTaskCompletedEventId,
        position: childPosition(run, workflowId),
      },
    );
  }
}

/** Activities whose result names the hash of the input that it answers. */
const tellsItsInput = new Set(['callModel', 'runTool', 'closeChild']);

function addMarker(event: HistoryEvent, seen: Seen, add: Add): void {
  const marker = event.markerRecordedEventAttributes;
  if (marker == null) return;
  const completed = marker.workflowTaskCompletedEventId;
  const part = (name: string): Payload | undefined => marker.details?.[name]?.payloads?.[0];
  if (marker.markerName === 'core_local_activity') {
    const about = toValue(part('data')) as { activity_id?: string; activity_type?: string };
    const result = toValue(part('result')) as { readonly input?: unknown } | null | undefined;
    const activityType = about.activity_type ?? '';
    const inputHash = tellsItsInput.has(activityType) ? result?.input : undefined;
    add(
      `activity ${about.activity_id}`,
      'local activity',
      { activityType, ...(typeof inputHash === 'string' ? { inputHash } : {}) },
      { completed },
    );
  } else if (marker.markerName === 'core_patch') {
    const about = toValue(part('patch-data')) as { id?: string; deprecated?: boolean };
    const fields = { id: about.id ?? '', deprecated: about.deprecated === true };
    add(`patch ${about.id}`, 'patch', fields, { completed });
  } else add(`other ${seen.count('other')}`, 'other', { what: `marker ${marker.markerName}` });
}

function addUpdate(event: HistoryEvent, seen: Seen, add: Add): void {
  const accepted = event.workflowExecutionUpdateAcceptedEventAttributes;
  if (accepted != null) {
    const id = accepted.protocolInstanceId ?? '';
    seen.updates.set(toNumber(event.eventId), id);
    const asked = toValue(accepted.acceptedRequest?.input?.args?.payloads?.[0]);
    add(`update ${id}`, 'update accepted', {}, { position: positionIn(asked) });
  }
  const answered = event.workflowExecutionUpdateCompletedEventAttributes;
  if (answered == null) return;
  const result = toValue(answered.outcome?.success?.payloads?.[0]);
  const id = seen.updates.get(toNumber(answered.acceptedEventId)) ?? '';
  const failure = toFailure(answered.outcome?.failure);
  const position = positionIn(result);
  add(`answer ${id}`, 'update answered', { result, failure }, { position });
}

/** Decisions that no part of the loop makes: no rule compares them, so they are never passed over. */
const uncompared = [
  'signalExternalWorkflowExecutionInitiatedEventAttributes',
  'workflowPropertiesModifiedEventAttributes',
  'nexusOperationScheduledEventAttributes',
  'nexusOperationCancelRequestedEventAttributes',
] as const;

function addOther(event: HistoryEvent, seen: Seen, add: Add): void {
  const upsert = event.upsertWorkflowSearchAttributesEventAttributes;
  const attributes = toSearchAttributes(upsert?.searchAttributes);
  // A patch is written into these as well, by the SDK itself.
  if (Object.keys(attributes).length > 0)
    add(
      `search attributes ${seen.count('upsert')}`,
      'search attributes',
      { attributes },
      { completed: upsert?.workflowTaskCompletedEventId },
    );
  const what = uncompared.find((name) => event[name] != null);
  if (what !== undefined) add(`other ${seen.count('other')}`, 'other', { what });
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
