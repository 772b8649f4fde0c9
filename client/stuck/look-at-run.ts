/** Asks Temporal about runs that are silent. Used by workers, and by `belayer stuck --now` without any. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { eachAtOnce } from '../each-at-once.ts';
import { limits } from '../../contracts/limits.ts';
import type { Suspect } from '../../storage/stuck.ts';
import { type Found, judgeSilence, type PendingCall, type WorkflowSight } from './judge-silence.ts';

export interface LookOptions {
  readonly temporal: Client;
  /** Where runs without a workflow would be started. */
  readonly taskQueue: string;
  readonly silentMs: number;
}

/** One sweep's look: it asks about each task queue once. Throws where Temporal does not answer. */
export function createLook(options: LookOptions): (suspect: Suspect) => Promise<Found | undefined> {
  const { temporal, silentMs } = options;
  const polls = new Map<string, Promise<number | undefined>>();
  const lastPoll = (taskQueue: string): Promise<number | undefined> => {
    const known = polls.get(taskQueue) ?? askForLastPoll(temporal, taskQueue);
    polls.set(taskQueue, known);
    return known;
  };
  return (suspect) =>
    temporal.withDeadline(Date.now() + limits.stuckLookMsMax, async () => {
      const sight = await sightOf(temporal, suspect.run, options.taskQueue, lastPoll);
      const found = judgeSilence(suspect, sight, { silentMs, nowMs: Date.now() });
      return found && { ...found, detail: found.detail.slice(0, limits.stuckDetailCharsMax) };
    });
}

/** Looks at each, so many at once, in no order. After the first that throws, no other begins. */
export const lookAtEach = (
  suspects: readonly Suspect[],
  look: (suspect: Suspect) => Promise<void>,
): Promise<void> => eachAtOnce(suspects, limits.stuckLooksAtOnceMax, look);

async function sightOf(
  temporal: Client,
  run: string,
  taskQueueDefault: string,
  lastPoll: (taskQueue: string) => Promise<number | undefined>,
): Promise<WorkflowSight> {
  const description = await temporal.workflow
    .getHandle(run)
    .describe()
    .catch((error: unknown) => {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    });
  if (description === undefined)
    return {
      status: undefined,
      taskQueue: taskQueueDefault,
      lastPollMs: await lastPoll(taskQueueDefault),
      workflowTask: undefined,
      taskFailure: undefined,
      calls: [],
      children: 0,
    };
  const { raw, taskQueue, status } = description;
  const task = raw.pendingWorkflowTask;
  const isFailing = status.name === 'RUNNING' && (task?.attempt ?? 0) > 1;
  return {
    status: status.name,
    taskQueue,
    lastPollMs: await lastPoll(taskQueue),
    workflowTask: task
      ? { attempt: task.attempt ?? 1, scheduledMs: toMs(task.originalScheduledTime) ?? Date.now() }
      : undefined,
    taskFailure: isFailing ? await taskFailureOf(temporal, run, description.runId) : undefined,
    calls: (raw.pendingActivities ?? []).map(pendingCall),
    children: raw.pendingChildren?.length ?? 0,
  };
}

type Activity = NonNullable<
  Awaited<ReturnType<Client['workflowService']['describeWorkflowExecution']>>['pendingActivities']
>[number];

/** `PENDING_ACTIVITY_STATE_SCHEDULED`; all other states have an attempt under way. */
const scheduled = 1;

function pendingCall(activity: Activity): PendingCall {
  return {
    type: activity.activityType?.name ?? 'unknown',
    attempt: activity.attempt ?? 1,
    state: activity.state === scheduled ? 'queued' : 'started',
    startedMs: toMs(activity.lastStartedTime),
    timeoutMs: toMs(activity.activityOptions?.startToCloseTimeout),
    nextAttemptMs: toMs(activity.nextAttemptScheduleTime),
    lastFailure: activity.lastFailure?.message ?? undefined,
  };
}

/** Those of the last five minutes are listed, dead ones as well. */
async function askForLastPoll(temporal: Client, taskQueue: string): Promise<number | undefined> {
  const { pollers } = await temporal.workflowService.describeTaskQueue({
    namespace: temporal.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: workflowTasks,
  });
  const times = (pollers ?? []).map(({ lastAccessTime }) => toMs(lastAccessTime) ?? 0);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** `TASK_QUEUE_TYPE_WORKFLOW`. */
const workflowTasks = 1;

/**
 * Why the pending workflow task is repeated, where it failed. The server writes an event for the first
 * attempt that fails or times out, and none for its repetitions: the newest such event is about this task.
 */
async function taskFailureOf(
  temporal: Client,
  workflowId: string,
  runId: string,
): Promise<string | undefined> {
  const { history } = await temporal.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: temporal.options.namespace,
    execution: { workflowId, runId },
    maximumPageSize: eventsRead,
  });
  for (const event of history?.events ?? []) {
    const failed = event.workflowTaskFailedEventAttributes;
    if (failed) {
      const message = failed.failure?.message ?? 'no message';
      return failed.cause === nonDeterminism
        ? `The code decides otherwise than it did before (${message}).`
        : `It fails with: ${message}.`;
    }
    if (event.workflowTaskTimedOutEventAttributes ?? event.workflowTaskCompletedEventAttributes)
      return undefined;
  }
  return undefined;
}

const eventsRead = 50;
/** `WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR`. */
const nonDeterminism = 24;

function toMs(
  time: { readonly seconds?: unknown; readonly nanos?: number | null } | null | undefined,
): number | undefined {
  return time == null ? undefined : Number(time.seconds ?? 0) * 1000 + (time.nanos ?? 0) / 1e6;
}
