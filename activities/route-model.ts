/**
 * Which tier a step begins with, as the application's `route` says. What it says is in the history, so retries and
 * replays keep it; a function that fails is an answer too, and the run ends with it.
 */
import { BelayerError, failureType } from '../contracts/failures.ts';
import type { RouteModelInput, RouteModelOutput } from '../contracts/routing.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { sha256 } from '../storage/hash.ts';
import { asActivity, nearTime } from './activity-call.ts';
import { chooseTier } from './deciding/choose-tier.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findAgent } from './find-code.ts';
import { runInput } from './run-input.ts';

export function createRouteModel(deps: ActivityDependencies) {
  return asActivity(
    deps.worker,
    async (input: RouteModelInput, call): Promise<RouteModelOutput> => {
      const began = performance.now();
      const definition = await deps.definitionOf(input.definition);
      const agent = findAgent(deps, definition);
      const told = { input: sha256(canonicalJson(input)) };
      try {
        const given = await runInput(deps, call.run, input.chain, agent);
        const chosen = await chooseTier(agent, definition.frozen, {
          ...input.facts,
          input: given,
          ...(input.customer === undefined ? {} : { customer: input.customer }),
        });
        return { kind: 'routed', ...chosen, ...told, ...nearTime(began) };
      } catch (error) {
        if (!(error instanceof BelayerError) || error.type !== failureType.functionFailed)
          throw error;
        return { kind: 'failed', problem: error.message, ...told, ...nearTime(began) };
      }
    },
  );
}
