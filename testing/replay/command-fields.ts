/** The fields of each kind of command that are compared: one list for both sides. */
import type { Payload } from '@temporalio/common/lib/proto-utils.js';
import { isPosition, type Position } from '../../contracts/positions.ts';
import type { Fields } from './command.ts';
import {
  toMs,
  toRetryPolicy,
  toSearchAttributes,
  toSummary,
  toValueMap,
  toValues,
} from './plain-values.ts';

type Duration = Parameters<typeof toMs>[0];
type Payloads = readonly Payload[] | null | undefined;
type PayloadMap = { readonly [name: string]: Payload } | null | undefined;
type Metadata = Parameters<typeof toSummary>[0];
type RetryPolicy = Parameters<typeof toRetryPolicy>[0];
interface Priority {
  readonly priorityKey?: number | null;
  readonly fairnessKey?: string | null;
  readonly fairnessWeight?: number | null;
}

export interface ActivityParts {
  readonly type: string | null | undefined;
  readonly taskQueue: string | null | undefined;
  readonly input: Payloads;
  readonly header: PayloadMap;
  readonly scheduleToCloseTimeout?: Duration;
  readonly scheduleToStartTimeout?: Duration;
  readonly startToCloseTimeout?: Duration;
  readonly heartbeatTimeout?: Duration;
  readonly retryPolicy?: RetryPolicy;
  readonly priority?: Priority | null;
  readonly metadata: Metadata;
}

export function activityFields(activity: ActivityParts): Fields {
  const scheduleToCloseTimeoutMs = toMs(activity.scheduleToCloseTimeout);
  const startToCloseTimeoutMs = toMs(activity.startToCloseTimeout) || scheduleToCloseTimeoutMs;
  return {
    activityType: activity.type ?? '',
    taskQueue: activity.taskQueue ?? '',
    input: toValues(activity.input),
    header: toValueMap(activity.header),
    scheduleToCloseTimeoutMs,
    scheduleToStartTimeoutMs: toMs(activity.scheduleToStartTimeout),
    startToCloseTimeoutMs,
    // The server records no longer one.
    heartbeatTimeoutMs: Math.min(toMs(activity.heartbeatTimeout), startToCloseTimeoutMs),
    retryPolicy: toRetryPolicy(activity.retryPolicy),
    priority: toPriority(activity.priority),
    ...toSummary(activity.metadata),
  };
}

export const timerFields = (duration: Duration, metadata: Metadata): Fields => ({
  durationMs: toMs(duration),
  ...toSummary(metadata),
});

export interface ChildParts {
  readonly workflowId?: string | null;
  readonly type: string | null | undefined;
  readonly taskQueue: string | null | undefined;
  readonly input: Payloads;
  readonly header: PayloadMap;
  readonly workflowExecutionTimeout?: Duration;
  readonly workflowRunTimeout?: Duration;
  readonly workflowTaskTimeout?: Duration;
  readonly parentClosePolicy?: number | null;
  readonly workflowIdReusePolicy?: number | null;
  readonly retryPolicy?: RetryPolicy;
  readonly cronSchedule?: string | null;
  readonly memo: PayloadMap;
  readonly searchAttributes?: Parameters<typeof toSearchAttributes>[0];
  readonly priority?: Priority | null;
  readonly metadata: Metadata;
}

/** What the server gives a workflow task of a child whose starter names no time. */
const taskTimeoutMsDefault = 10_000;

const parentClosePolicies = ['', 'TERMINATE', 'ABANDON', 'REQUEST_CANCEL'];
const reusePolicies = [
  '',
  'ALLOW_DUPLICATE',
  'ALLOW_DUPLICATE_FAILED_ONLY',
  'REJECT_DUPLICATE',
  'TERMINATE_IF_RUNNING',
];

export const childFields = (child: ChildParts): Fields => ({
  workflowId: child.workflowId ?? '',
  workflowType: child.type ?? '',
  taskQueue: child.taskQueue ?? '',
  input: toValues(child.input),
  header: toValueMap(child.header),
  workflowExecutionTimeoutMs: toMs(child.workflowExecutionTimeout),
  workflowRunTimeoutMs: toMs(child.workflowRunTimeout),
  workflowTaskTimeoutMs: toMs(child.workflowTaskTimeout) || taskTimeoutMsDefault,
  parentClosePolicy: parentClosePolicies[child.parentClosePolicy || 1] ?? child.parentClosePolicy,
  workflowIdReusePolicy:
    reusePolicies[child.workflowIdReusePolicy || 1] ?? child.workflowIdReusePolicy,
  retryPolicy: toRetryPolicy(child.retryPolicy),
  cronSchedule: child.cronSchedule ?? '',
  memo: toValueMap(child.memo),
  searchAttributes: toSearchAttributes(child.searchAttributes),
  priority: toPriority(child.priority),
  ...toSummary(child.metadata),
});

/** 3 is what an unset priority means to the server. */
const toPriority = (priority: Priority | null | undefined): unknown => ({
  priorityKey: priority?.priorityKey || 3,
  fairnessKey: priority?.fairnessKey ?? '',
  fairnessWeight: priority?.fairnessWeight || 1,
});

/** An input or a receipt that says where it stands in the run. */
export function positionIn(value: unknown): Position | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { position, request } = value as { position?: unknown; request?: unknown };
  const found = [position, request].find((one) => typeof one === 'string' && isPosition(one));
  return found as Position | undefined;
}

/** A child's id is its parent's and the position of the call. */
export const childPosition = (run: string, workflowId: string): string | undefined =>
  workflowId.startsWith(`${run}/`) ? workflowId.slice(run.length + 1) : undefined;
