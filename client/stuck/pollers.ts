import type { Client } from '@temporalio/client';
import type { Build } from '../../contracts/deployments.ts';

export interface Poller {
  readonly lastPollMs: number;
  /** Absent: a worker without a deployment. */
  readonly build?: Build;
}

/** `TASK_QUEUE_TYPE_WORKFLOW`. */
const workflowTasks = 1;
/** `WORKER_VERSIONING_MODE_VERSIONED`. */
const versioned = 2;

/** Who asked for workflow tasks in the last five minutes, dead workers as well. */
export async function pollersOf(temporal: Client, taskQueue: string): Promise<readonly Poller[]> {
  const { pollers } = await temporal.workflowService.describeTaskQueue({
    namespace: temporal.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: workflowTasks,
  });
  return (pollers ?? []).map(({ lastAccessTime, deploymentOptions: options }) => ({
    lastPollMs:
      Number(lastAccessTime?.seconds ?? 0) * 1000 + (lastAccessTime?.nanos ?? 0) / 1_000_000,
    ...(options?.workerVersioningMode === versioned
      ? { build: { deployment: options.deploymentName ?? '', buildId: options.buildId ?? '' } }
      : {}),
  }));
}
