/** The events by which a history says that a workflow decided something, each kind read by one function. */
import type { Payload } from '@temporalio/common/lib/proto-utils.js';
import {
  activityFields,
  childFields,
  childPosition,
  positionIn,
  timerFields,
} from './command-fields.ts';
import type { CommandKind, Fields, HistoryEvent } from './command.ts';
import { toFailure, toNumber, toSearchAttributes, toValue } from './plain-values.ts';

type Whole = Parameters<typeof toNumber>[0];
export type Add = (
  key: string,
  kind: CommandKind,
  fields: Fields,
  more?: { readonly completed?: Whole; readonly position?: string | undefined },
) => void;

/** What later events refer to by event id or workflow id. */
export interface Seen {
  readonly activities: Map<number, string>;
  readonly updates: Map<number, string>;
  readonly children: Map<string, number>;
  readonly count: (what: string) => number;
}

export function addCall(event: HistoryEvent, seen: Seen, add: Add): void {
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

export function addTimer(event: HistoryEvent, add: Add): void {
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

export function addChild(event: HistoryEvent, seen: Seen, run: string, add: Add): void {
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
const tellsItsInput = new Set(['callModel', 'runTool', 'closeChild', 'routeModel']);

export function addMarker(event: HistoryEvent, seen: Seen, add: Add): void {
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

export function addUpdate(event: HistoryEvent, seen: Seen, add: Add): void {
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

export function addOther(event: HistoryEvent, seen: Seen, add: Add): void {
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
