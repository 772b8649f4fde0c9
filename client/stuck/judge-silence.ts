/** Why a silent run stands still, from what Temporal says of it. Pure. */
import type { Build } from '../../contracts/deployments.ts';
import type { StuckFinding } from '../../contracts/events.ts';
import { limits } from '../../contracts/limits.ts';
import type { Suspect } from '../../storage/stuck.ts';

export interface Found {
  readonly finding: StuckFinding;
  readonly detail: string;
}

/** A call that is under way or waits for its next attempt. Times are milliseconds since the epoch. */
export interface PendingCall {
  readonly type: string;
  readonly attempt: number;
  readonly state: 'queued' | 'started';
  readonly startedMs: number | undefined;
  /** Of one attempt. */
  readonly timeoutMs: number | undefined;
  readonly nextAttemptMs: number | undefined;
  readonly lastFailure: string | undefined;
}

export interface WorkflowSight {
  /** Temporal's word: RUNNING, TERMINATED ...; absent: no such workflow. */
  readonly status: string | undefined;
  readonly taskQueue: string;
  /** Whose workers alone go on with it; absent: any. */
  readonly build?: Build;
  /** When a worker (of the build) last asked for work there; Temporal remembers those of the last five minutes. */
  readonly lastPollMs: number | undefined;
  readonly workflowTask: { readonly attempt: number; readonly scheduledMs: number } | undefined;
  /** What the workflow task fails with; absent where its attempts only timed out: their workers died. */
  readonly taskFailure: string | undefined;
  readonly calls: readonly PendingCall[];
  readonly children: number;
}

/**
 * Undefined: it is silent for a good reason, which is a call within its own time or a child run.
 * The order is the order of causes: nothing else is known of a run that nobody carries out.
 */
export function judgeSilence(
  suspect: Pick<Suspect, 'run' | 'state' | 'waitsFor'>,
  sight: WorkflowSight,
  options: { readonly silentMs: number; readonly nowMs: number },
): Found | undefined {
  const { status, taskQueue, workflowTask, children, lastPollMs } = sight;
  const isAskedFor =
    lastPollMs !== undefined && lastPollMs > options.nowMs - limits.stuckPollerAgeMsMax;
  const noPollers: Found = {
    finding: 'no-worker',
    detail:
      sight.build === undefined
        ? `No worker asks for work on task queue \`${taskQueue}\`. Start one.`
        : `No worker of build \`${sight.build.buildId}\` of deployment \`${sight.build.deployment}\` asks for work on task queue \`${taskQueue}\`. Start one, or: belayer deployments move ${suspect.run} --to BUILD`,
  };
  if (status === undefined && suspect.state === 'starting')
    return isAskedFor
      ? silent('It is on record and its workflow was not started. Workers log why they cannot.')
      : noPollers;
  if (status === undefined || (status !== 'RUNNING' && status !== 'PAUSED'))
    return {
      finding: 'dead',
      detail: `Its workflow ${status === undefined ? 'is not known to Temporal' : `has ended (${status})`}, and its books are open. To close them: belayer halt ${suspect.run} --force --reason TEXT`,
    };
  if (status === 'PAUSED') return silent('Its workflow was paused in Temporal.');
  if (!isAskedFor) return noPollers;
  // A task that is tried again is the run's state, whatever else is pending.
  if (workflowTask !== undefined && workflowTask.attempt > 1)
    return judgeRepeatedTask(workflowTask, sight, options);
  if (suspect.waitsFor !== null) return { finding: 'no-worker', detail: suspect.waitsFor };
  const late = sight.calls.map((call) => complaintAbout(call, options));
  if (late.includes(undefined) || (late.length === 0 && children > 0)) return undefined;
  if (late.length > 0) return silent(late.join(' '));
  if (workflowTask !== undefined)
    return options.nowMs - workflowTask.scheduledMs < options.silentMs
      ? undefined
      : silent(
          `No worker has taken its workflow task since ${time(workflowTask.scheduledMs)}. ${lastPoll(sight)}`,
        );
  return silent('It runs, and no call, child run or workflow task of it is pending.');
}

/** Attempts that timed out had workers that died or hang: nothing says that the code is at fault. */
function judgeRepeatedTask(
  { attempt, scheduledMs }: NonNullable<WorkflowSight['workflowTask']>,
  sight: WorkflowSight,
  { silentMs, nowMs }: { readonly silentMs: number; readonly nowMs: number },
): Found | undefined {
  if (sight.taskFailure !== undefined)
    return attempt < limits.stuckTaskAttemptsMin
      ? undefined
      : {
          finding: 'parked',
          detail: `Its workflow task is at attempt ${attempt}. ${sight.taskFailure} Nothing is lost: it goes on when a worker with fixed code comes.`,
        };
  return nowMs - scheduledMs < silentMs
    ? undefined
    : silent(
        `No worker has ended its workflow task since ${time(scheduledMs)}; it is at attempt ${attempt}, and the workers of those before died or did not answer in time. ${lastPoll(sight)}`,
      );
}

const silent = (detail: string): Found => ({ finding: 'silent', detail });
const time = (ms: number): string => new Date(ms).toISOString();
const lastPoll = ({ taskQueue, lastPollMs }: WorkflowSight): string =>
  `The last poll on task queue \`${taskQueue}\` was ${lastPollMs === undefined ? 'more than five minutes ago' : `at ${time(lastPollMs)}`}.`;

/** Undefined for a call that is within its time. */
function complaintAbout(
  call: PendingCall,
  { silentMs, nowMs }: { readonly silentMs: number; readonly nowMs: number },
): string | undefined {
  const name = `\`${call.type}\`, attempt ${call.attempt}`;
  const failure = call.lastFailure === undefined ? '' : ` Last failure: ${call.lastFailure}`;
  if (call.state === 'queued')
    return call.attempt === 1
      ? `${name}, was taken by no worker yet: none has a free place for it, or none is left.`
      : `${name}, waits ${call.nextAttemptMs === undefined ? 'to be tried again' : `until ${time(call.nextAttemptMs)}`}.${failure}`;
  const timeoutMs = call.timeoutMs ?? limits.toolMsMax;
  const isOver =
    call.startedMs !== undefined && nowMs > call.startedMs + timeoutMs + limits.settlingMs;
  if (isOver) return `${name}, is in flight beyond its time of ${timeoutMs} ms.${failure}`;
  // A long call may take its time. Short ones that fail over and over make no progress together.
  const isOneOfMany = call.attempt > 1 && timeoutMs < silentMs;
  return isOneOfMany ? `${name}, keeps failing.${failure}` : undefined;
}
