/** Whether a run that is about to continue as new should do so on another build of its application. */
import type { Routing } from '../contracts/deployments.ts';
import { deployedDefinition } from '../storage/definitions.ts';
import { missingFunctions } from '../rules/missing-functions.ts';
import { asActivity } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';

/**
 * A run leaves a build that takes no more starts, for the current one, where that has every function that
 * the run's definition names. It keeps its definition: what its model is told stays the same.
 */
export function createMayMove(deps: ActivityDependencies) {
  return asActivity(
    deps.worker,
    async (input: { readonly definition: string }): Promise<boolean> => {
      const { build } = deps;
      if (build === undefined) return false;
      // To stay is always right: it is asked again when the next turn has ended.
      const { current, ramping } = await build.routing().catch((error: unknown): Routing => {
        deps.log.warn('it could not be asked where a run may move', { error });
        return {};
      });
      // Temporal draws a ramp's share otherwise than starts do, and would call a run back from the build that it is on.
      const staysOn = [current, ramping?.buildId];
      if (current === undefined || staysOn.includes(build.buildId)) return false;
      const { frozen } = await deps.definitionOf(input.definition);
      const there = await deployedDefinition(deps.database, frozen.name, {
        deployment: build.deployment,
        buildId: current,
      });
      return there !== undefined && missingFunctions(frozen, there.frozen).length === 0;
    },
  );
}
