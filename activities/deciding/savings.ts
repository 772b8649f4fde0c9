/** What a choice of model saved, for the journal. Computed from what the provider counted, not from what was expected. */
import type { FrozenAgent } from '../../contracts/definitions.ts';
import type { ModelUsage } from '../models/model-usage.ts';
import { costMicroUsd, type Price } from '../models/prices.ts';

/**
 * In micro-dollars: what the same tokens would have cost with the largest tier, less what they cost; of a reply that was
 * rejected, less what it cost. Undefined where it was no tier, the largest one itself, or where the largest has no price.
 */
export function routingSaved(
  { models, tiers }: Pick<FrozenAgent, 'models' | 'tiers'>,
  call: {
    readonly model: string;
    readonly usage: ModelUsage | undefined;
    readonly costMicroUsd: number;
    readonly isRejected: boolean;
  },
  priceOf: (model: string) => Price | undefined,
): number | undefined {
  if (tiers === undefined) return undefined;
  const index = models.indexOf(call.model);
  const last = tiers.length - 1;
  if (index < 0 || index >= last) return undefined;
  if (call.isRejected) return -call.costMicroUsd;
  const price = priceOf(models[last] ?? '');
  if (price === undefined || call.usage === undefined) return undefined;
  return costMicroUsd(price, call.usage) - call.costMicroUsd;
}
