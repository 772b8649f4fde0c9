/** Asks Temporal about runs that are silent. Used by workers, and by `belayer stuck --now` without any. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { eachAtOnce } from '../each-at-once.ts';
import type { Build } from '../../contracts/deployments.ts';
import { limits } from '../../contracts/limits.ts';
import type { Suspect } from '../../storage/stuck.ts';
import { type Found, judgeSilence, type PendingCall, type WorkflowSight } from './judge-silence.ts';
import { pollersOf } from './pollers.ts';

export interface LookOptions {
  readonly temporal: Client;
  /** Where runs without a workflow would be started. */
  readonly taskQueue: string;
  readonly silentMs: number;
}

/** One sweep's look: it asks about each task queue (and build) once. Throws where Temporal does not answer. */
export function createLook(options: LookOptions): (suspect: Suspect) => Promise<Found | undefined> {
  const { temporal, silentMs } = options;
  const polls = new Map<string, Promise<number | undefined>>();
  const lastPoll = (taskQueue: string, build?: Build): Promise<number | undefined> => {
    const key = JSON.stringify([taskQueue, build]);
    const known = polls.get(key) ?? askForLastPoll(temporal, taskQueue, build);
    polls.set(key, known);
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
  lastPoll: (taskQueue: string, build?: Build) => Promise<number | undefined>,
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
  const build = buildOf(raw.workflowExecutionInfo?.versioningInfo);
  const isFailing = status.name === 'RUNNING' && (task?.attempt ?? 0) > 1;
  return {
    status: status.name,
    taskQueue,
    lastPollMs: await lastPoll(taskQueue, build),
    ...(build === undefined ? {} : { build }),
    workflowTask: task
      ? { attempt: task.attempt ?? 1, scheduledMs: toMs(task.originalScheduledTime) ?? Date.now() }
      : undefined,
    taskFailure: isFailing ? await taskFailureOf(temporal, run, description.runId) : undefined,
    calls: (raw.pendingActivities ?? []).map(pendingCall),
    children: raw.pendingChildren?.length ?? 0,
  };
}

type VersioningInfo = NonNullable<
  Awaited<
    ReturnType<Client['workflowService']['describeWorkflowExecution']>
  >['workflowExecutionInfo']
>['versioningInfo'];

/** The build that its next workflow task goes to, where that is settled. */
function buildOf(info: VersioningInfo): Build | undefined {
  const { versioningOverride } = info ?? {};
  const version =
    versioningOverride?.oneTime?.targetDeploymentVersion ??
    versioningOverride?.pinned?.version ??
    (info?.behavior === pinned ? info.deploymentVersion : undefined);
  if (version == null || !version.buildId) return undefined;
  return { deployment: version.deploymentName ?? '', buildId: version.buildId };
}

/** `VERSIONING_BEHAVIOR_PINNED`. */
const pinned = 1;

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

/** Of the build's own workers, where the run is kept by one: those of another build do not go on with it. */
async function askForLastPoll(
  temporal: Client,
  taskQueue: string,
  build: Build | undefined,
): Promise<number | undefined> {
  const times = (await pollersOf(temporal, taskQueue))
    .filter(
      (poller) =>
        build === undefined ||
        (poller.build?.deployment === build.deployment && poller.build.buildId === build.buildId),
    )
    .map(({ lastPollMs }) => lastPollMs);
  return times.length === 0 ? undefined : Math.max(...times);
}

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
