/** Sends starts elsewhere. Temporal keeps who changed it last, and refuses a change that another one overtook. */
import type { Client } from '@temporalio/client';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { grpcCode } from '../parts.ts';
import { queuesWithoutWorkers } from './check-workers.ts';
import { type BuildRow, type Deployment, readDeployment } from './read-deployment.ts';

interface Changing {
  readonly temporal: Client;
  readonly deployment: string;
  /** Who changes it, for Temporal's record. */
  readonly by: string;
}

/**
 * All starts go to a build from now on, and its ramp ends; or `percent` of them do.
 *
 * @throws DeploymentRejected  No such deployment or build, no worker of it, or a task queue that it leaves.
 */
export async function promote(
  changing: Changing,
  buildId: string,
  percent?: number,
): Promise<Deployment> {
  const before = await deploymentOf(changing);
  checkBuild(changing.deployment, before, buildId);
  await checkWorkers(changing, before, buildId);
  if (percent === undefined) await setCurrent(changing, before, buildId);
  else await setRamping(changing, before, { buildId, percent });
  return deploymentOf(changing);
}

export interface RolledBack {
  readonly after: Deployment;
  /** From which build starts were taken, and which has them now. */
  readonly from: string;
  readonly to: string;
}

/**
 * Takes the last step back: ends a ramp, or makes the build current that was so before.
 *
 * @throws DeploymentRejected  There is no ramp, and no build that was current before; or it has no workers left.
 */
export async function rollBack(changing: Changing): Promise<RolledBack> {
  const before = await deploymentOf(changing);
  const { current, ramping } = before.routing;
  if (ramping !== undefined && current !== undefined) {
    await setRamping(changing, before, { buildId: '', percent: 0 });
    return { after: await deploymentOf(changing), from: ramping.buildId, to: current };
  }
  const [last] = before.builds
    .filter((build): build is BuildRow & { currentAt: Date } => build.currentAt !== undefined)
    .filter(({ buildId }) => buildId !== current)
    .toSorted((one, other) => other.currentAt.getTime() - one.currentAt.getTime());
  if (last === undefined || current === undefined)
    throw rejected(
      `Deployment \`${changing.deployment}\` has no ramp to end and no build that was current before${current === undefined ? '' : ` \`${current}\``}. Name the build: belayer deployments promote BUILD`,
    );
  await checkWorkers(changing, before, last.buildId);
  await setCurrent(changing, before, last.buildId);
  return { after: await deploymentOf(changing), from: current, to: last.buildId };
}

/** @throws DeploymentRejected  No worker has asked for work under this name. */
export async function deploymentOf({
  temporal,
  deployment,
}: Pick<Changing, 'temporal' | 'deployment'>): Promise<Deployment> {
  const found = await readDeployment(temporal, deployment);
  if (found !== undefined) return found;
  throw rejected(
    `Temporal knows no deployment \`${deployment}\`. It is known once a worker with BELAYER_DEPLOYMENT=${deployment} asks for work.`,
  );
}

/** @throws DeploymentRejected  Starts would wait for a worker. */
async function checkWorkers(
  { temporal, deployment }: Changing,
  { routing }: Deployment,
  buildId: string,
): Promise<void> {
  const unserved = await queuesWithoutWorkers(temporal, { deployment, buildId }, routing.current);
  if (unserved.length > 0)
    throw rejected(
      `No worker of build \`${buildId}\` asks for work on task queue ${unserved.map((queue) => `\`${queue}\``).join(', ')}, and starts there would wait. Nothing was changed: start one first.`,
    );
}

/** @throws DeploymentRejected */
export function checkBuild(name: string, { builds }: Deployment, buildId: string): void {
  if (builds.some((build) => build.buildId === buildId)) return;
  throw rejected(
    `Deployment \`${name}\` has no build \`${buildId}\`. Known: ${builds.map((build) => build.buildId).join(', ')}.`,
  );
}

export async function setCurrent(
  { temporal, deployment, by }: Changing,
  { conflictToken }: Deployment,
  buildId: string,
): Promise<void> {
  const { namespace } = temporal.options;
  await changed(temporal, `Build \`${buildId}\` was not made current`, () =>
    temporal.workflowService.setWorkerDeploymentCurrentVersion({
      namespace,
      deploymentName: deployment,
      buildId,
      conflictToken,
      identity: by,
    }),
  );
}

async function setRamping(
  { temporal, deployment, by }: Changing,
  { conflictToken }: Deployment,
  { buildId, percent }: { readonly buildId: string; readonly percent: number },
): Promise<void> {
  const { namespace } = temporal.options;
  await changed(
    temporal,
    buildId === '' ? 'The ramp was not ended' : `Build \`${buildId}\` was not ramped`,
    () =>
      temporal.workflowService.setWorkerDeploymentRampingVersion({
        namespace,
        deploymentName: deployment,
        buildId,
        percentage: percent,
        conflictToken,
        identity: by,
      }),
  );
}

/** gRPC: INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION. */
const refusals = new Set([3, 5, 9]);

async function changed(
  temporal: Client,
  failed: string,
  change: () => Promise<unknown>,
): Promise<void> {
  try {
    await temporal.withDeadline(Date.now() + limits.deploymentChangeMsMax, change);
  } catch (error) {
    if (!refusals.has(grpcCode(error) ?? 0)) throw error;
    throw rejected(
      `${failed}: ${(error as { readonly details?: string }).details ?? (error as Error).message}`,
      error,
    );
  }
}

export const rejected = (message: string, cause?: unknown): BelayerError =>
  new BelayerError(
    failureType.deploymentRejected,
    message,
    cause === undefined ? undefined : { cause },
  );
