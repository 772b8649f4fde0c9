/**
 * A build's first minutes in its deployment.
 *
 * 1. The very first build takes the starts by itself, or nothing would run and nobody would know why.
 * 2. Not while workers without a deployment ask for work on the same task queue: their open runs would go
 *    to the build at that moment. It waits until somebody promotes it, or until the last of them is gone.
 * 3. Every later build waits to be promoted.
 */
import type { Client } from '@temporalio/client';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../activities/dependencies.ts';
import { setCurrent } from '../client/deployments/change-deployment.ts';
import { type Deployment, readDeployment } from '../client/deployments/read-deployment.ts';
import { pollersOf } from '../client/stuck/pollers.ts';
import type { Build } from '../contracts/deployments.ts';
import { BelayerError } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { repeat } from './repeat.ts';

export interface JoiningBuild {
  readonly temporal: Client;
  readonly taskQueue: string;
  readonly build: Build;
  /** Makes the build's definitions the newest: those that starts choose where nothing else says. */
  readonly publish: () => Promise<void>;
  readonly log: Log;
}

export interface Joined {
  /** Whether starts go to it, in whole or in part. */
  readonly takesStarts: boolean;
  readonly end: () => Promise<void>;
}

/** Resolves when the build stands as it should, at the latest after `limits.deploymentJoinMsMax`. */
export async function joinDeployment(joining: JoiningBuild): Promise<Joined> {
  const { build, log } = joining;
  const until = Date.now() + limits.deploymentJoinMsMax;
  for (;;) {
    const found = await settled(joining);
    if (found !== undefined) return { takesStarts: takesStarts(found, build), end: ended };
    if (Date.now() > until || (await hasOthers(joining))) break;
    await delay(limits.deploymentRetryEveryMs);
  }
  log.warn('no build of the deployment takes starts yet', {
    ...build,
    hint: `belayer deployments promote ${build.buildId}`,
  });
  let isSettled = false;
  const end = repeat(
    async () => {
      if (!isSettled) isSettled = (await settled(joining)) !== undefined;
    },
    {
      everyMs: limits.deploymentLookEveryMs,
      failed: 'a look whether this build was promoted failed',
      log,
    },
  );
  return { takesStarts: false, end };
}

const ended = (): Promise<void> => Promise.resolve();

const takesStarts = ({ routing }: Deployment, { buildId }: Build): boolean =>
  routing.current === buildId || routing.ramping?.buildId === buildId;

/** The deployment, once a build of it takes starts; this one where it has to be. */
async function settled(joining: JoiningBuild): Promise<Deployment | undefined> {
  const { temporal, build, publish } = joining;
  const found = await readDeployment(temporal, build.deployment);
  if (found === undefined || !found.builds.some(({ buildId }) => buildId === build.buildId))
    return undefined;
  const { current, ramping } = found.routing;
  if (current !== undefined || ramping !== undefined) {
    await publish();
    return found;
  }
  if (await hasOthers(joining)) return undefined;
  try {
    await setCurrent(
      { temporal, deployment: build.deployment, by: 'belayer worker, as the first build' },
      found,
      build.buildId,
    );
  } catch (error) {
    // Another build was first, or Temporal does not know yet that this one asks for work: it is looked at again.
    if (error instanceof BelayerError) return undefined;
    throw error;
  }
  await publish();
  return { ...found, routing: { current: build.buildId } };
}

async function hasOthers({ temporal, taskQueue }: JoiningBuild): Promise<boolean> {
  const pollers = await pollersOf(temporal, taskQueue);
  return pollers.some(
    ({ build, lastPollMs }) =>
      build === undefined && lastPollMs > Date.now() - limits.stuckPollerAgeMsMax,
  );
}
