import { limits } from '../../contracts/limits.ts';
import type { AnyAgent, RouteSeen } from '../../definitions/internal.ts';
import type { FrozenAgent } from '../../contracts/definitions.ts';
import { show } from '../../definitions/internal.ts';
import { callFunction, functionFailed } from './call-function.ts';

/**
 * What the agent's `route` says.
 *
 * @returns the tier, from 0; without one the order decides.
 * @throws FunctionFailed, NoWorker
 */
export async function chooseTier(
  agent: AnyAgent,
  { tiers = [] }: Pick<FrozenAgent, 'tiers'>,
  seen: RouteSeen,
): Promise<{ readonly tier?: number; readonly because?: string }> {
  const said = await callFunction(agent, 'route', seen);
  if (said === undefined) return {};
  const isObject = typeof said === 'object' && said !== null;
  const { model, because } = (isObject ? said : { model: said }) as Record<string, unknown>;
  const tier = tiers.indexOf(model as string);
  if (tier < 0)
    throw functionFailed(
      agent,
      'route',
      `said ${show(model)}, which is none of its tiers: ${tiers.join(', ')}`,
    );
  if (because !== undefined && typeof because !== 'string')
    throw functionFailed(agent, 'route', `gave ${show(because)} for a reason, which is no text`);
  return {
    tier,
    ...(because === undefined || because === ''
      ? {}
      : { because: because.slice(0, limits.choiceCharsMax) }),
  };
}
