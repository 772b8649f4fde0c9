import type { Client } from '@temporalio/client';
import type { Routing } from '../../contracts/deployments.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { chooseBuilds } from '../../rules/choose-builds.ts';
import type { ChooseBuilds } from '../../storage/new-run.ts';
import { readDeployment } from './read-deployment.ts';

/** As it is now. */
export const readRouting = async (temporal: Client, deployment: string): Promise<Routing> =>
  (await readDeployment(temporal, deployment))?.routing ?? {};

/**
 * For `insertNewRun`. What Temporal says is remembered for `limits.deploymentRoutingMsMax`: starts then cost
 * one question in so long, and a promotion reaches every client that soon.
 *
 * @throws ServerUnreachable  Nothing was started.
 */
export function buildsByRouting(temporal: Client): ChooseBuilds {
  const known = new Map<string, { readonly routing: Promise<Routing>; readonly until: number }>();
  const routingOf = (deployment: string): Promise<Routing> => {
    const last = known.get(deployment);
    if (last !== undefined && last.until > Date.now()) return last.routing;
    const routing = readRouting(temporal, deployment);
    known.set(deployment, { routing, until: Date.now() + limits.deploymentRoutingMsMax });
    routing.catch(() => known.delete(deployment));
    return routing;
  };
  return async (deployment, run) => {
    try {
      return chooseBuilds(await routingOf(deployment), run);
    } catch (error) {
      throw new BelayerError(
        failureType.serverUnreachable,
        `Temporal does not say which build of deployment \`${deployment}\` takes starts: ${(error as Error).message}. Nothing was started.`,
        { cause: error },
      );
    }
  };
}
