import type { FrozenAgent } from '../contracts/definitions.ts';
import { type Price, worstCaseMicroUsd } from './models/prices.ts';

/**
 * The next model that costs less for this prompt at worst; whether it fits, its claim says. Of an agent with tiers the
 * next smaller one, and behind the smallest the fallbacks; else the next of the list.
 *
 * @param rejected  Models whose replies to this very prompt were rejected: they would say the same again. `all`: every
 *                  smaller tier counts as one.
 * @returns where it stands in the agent's list; undefined where there is none.
 */
export function cheaperModel(
  { models, tiers = [] }: Pick<FrozenAgent, 'models' | 'tiers'>,
  present: {
    readonly model: string;
    readonly price: Price;
    readonly bounds: { readonly promptTokensMax: number; readonly outputTokensMax: number };
  },
  priceOf: (model: string) => Price | undefined,
  rejected: readonly string[] | 'all' = [],
): number | undefined {
  const { model, bounds } = present;
  const now = models.indexOf(model);
  const worst = worstCaseMicroUsd(present.price, bounds);
  const smaller = tiers
    .map((_, index) => index)
    .filter((index) => index < now)
    .toReversed();
  const behind = models.map((_, index) => index).filter((index) => index > now);
  return [...smaller, ...behind].find((index) => {
    const name = models[index] ?? '';
    if (rejected === 'all' ? index < tiers.length : rejected.includes(name)) return false;
    const price = priceOf(name);
    return price !== undefined && worstCaseMicroUsd(price, bounds) < worst;
  });
}
