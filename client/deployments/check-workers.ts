import type { Client } from '@temporalio/client';
import type { Build } from '../../contracts/deployments.ts';
import { limits } from '../../contracts/limits.ts';
import { pollersOf } from '../stuck/pollers.ts';

/** `TASK_QUEUE_TYPE_WORKFLOW`. */
const workflowTasks = 1;

/**
 * The task queues that starts would come to and no worker of a build has asked lately: its own, and those of
 * the build that has the starts now. Temporal refuses a promotion only where such a queue is busy.
 */
export async function queuesWithoutWorkers(
  temporal: Client,
  build: Build,
  current: string | undefined,
): Promise<readonly string[]> {
  const builds = [build.buildId, ...(current === undefined ? [] : [current])];
  const { deployment } = build;
  const queues = new Set<string>();
  for (const buildId of builds)
    for (const queue of await queuesOf(temporal, { deployment, buildId })) queues.add(queue);
  const asked = await Promise.all(
    [...queues].map(async (queue) => {
      const pollers = await pollersOf(temporal, queue);
      return {
        queue,
        isServed: pollers.some(
          (poller) =>
            poller.build?.deployment === deployment &&
            poller.build.buildId === build.buildId &&
            poller.lastPollMs > Date.now() - limits.stuckPollerAgeMsMax,
        ),
      };
    }),
  );
  return asked.filter(({ isServed }) => !isServed).map(({ queue }) => queue);
}

async function queuesOf(
  temporal: Client,
  { deployment, buildId }: Build,
): Promise<readonly string[]> {
  const { versionTaskQueues } = await temporal.workflowService.describeWorkerDeploymentVersion({
    namespace: temporal.options.namespace,
    deploymentVersion: { deploymentName: deployment, buildId },
  });
  return (versionTaskQueues ?? [])
    .filter(({ type }) => type === workflowTasks)
    .map(({ name }) => name ?? '');
}
