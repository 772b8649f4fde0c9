/**
 * How each activity is called. Options reach history: a change here must keep old histories replaying
 * (Temporal compares types and ids; strict replay compares these as well).
 */
import {
  ActivityCancellationType,
  type ActivityInterfaceFor,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { Placement, ToolPolicy } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import { equalCallWaitMs } from '../rules/equal-call-wait.ts';

type Proxies = ActivityInterfaceFor<Activities>;

/** Bookkeeping: short statements in the worker that runs the workflow. */
export const bookkeeping = proxyLocalActivities<Activities>({
  startToCloseTimeout: limits.databaseStatementMsMax,
  retry: {
    initialInterval: 200,
    backoffCoefficient: 2,
    maximumInterval: '5 seconds',
    maximumAttempts: 8,
  },
});

export function modelCall(
  placement: Placement,
  timeoutMs: number,
  how: { readonly summary: string; readonly isLastModel: boolean; readonly cached: boolean },
): Proxies['callModel'] {
  const waitMs = how.cached ? equalCallWaitMs(timeoutMs) : 0;
  const modelRetry = {
    initialInterval: limits.modelRetryFirstDelayMs,
    backoffCoefficient: limits.modelRetryFactor,
    maximumInterval: limits.modelRetryMaxDelayMs,
    // Where there is another model, waiting longer for this one helps nobody.
    maximumAttempts: how.isLastModel ? limits.modelAttemptsLastMax : limits.modelAttemptsMax,
  };
  if (placement === 'near')
    return proxyLocalActivities<Activities>({
      startToCloseTimeout: timeoutMs + limits.settlingMs + waitMs,
      retry: modelRetry,
      cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    }).callModel;
  return proxyActivities<Activities>({
    startToCloseTimeout: timeoutMs + limits.storageHoldMsMax + limits.settlingMs + waitMs,
    heartbeatTimeout: limits.heartbeatMsMax,
    retry: modelRetry,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: how.summary,
  }).callModel;
}

export function toolCall(
  policy: ToolPolicy,
  call: { readonly near: boolean; readonly timeoutMs: number; readonly summary: string },
): Proxies['runTool'] {
  const retry = {
    initialInterval: Math.max(1, policy.retry.firstDelayMs),
    backoffCoefficient: policy.retry.factor,
    maximumInterval: Math.max(1, policy.retry.maxDelayMs, policy.retry.firstDelayMs),
    // The tool's own attempts are counted by the activity; waits for an earlier attempt come on top,
    // and where it must be asked what became of an attempt there is one before each.
    maximumAttempts:
      (policy.repeat === 'never' ? 2 : 1) * policy.retry.attempts + limits.overtakenAttemptsMax,
  };
  const waitMs = policy.cache === undefined ? 0 : equalCallWaitMs(call.timeoutMs);
  if (call.near)
    return proxyLocalActivities<Activities>({
      startToCloseTimeout: call.timeoutMs + limits.settlingMs + waitMs,
      retry,
      cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    }).runTool;
  return proxyActivities<Activities>({
    // A verification may come before the attempt and take as long.
    startToCloseTimeout: 2 * call.timeoutMs + limits.storageHoldMsMax + limits.settlingMs + waitMs,
    heartbeatTimeout: limits.heartbeatMsMax,
    retry,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: call.summary,
  }).runTool;
}
