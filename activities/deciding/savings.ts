/** What a choice of model saved, for the journal. Computed from what the provider counted, not from what was expected. */
import type { FrozenAgent } from '../../contracts/definitions.ts';
import type { ModelUsage } from '../models/model-usage.ts';
import { costMicroUsd, type Price } from '../models/prices.ts';

/**
 * In micro-dollars: what the same tokens would have cost with the largest tier, less what they cost; of a reply that did
 * not do, less what it cost. Undefined where it was no tier, the largest one itself, where the largest has no price, and
 * where a budget put the model in another's place: that was no choice of the agent's.
 */
export function routingSaved(
  { models, tiers }: Pick<FrozenAgent, 'models' | 'tiers'>,
  call: {
    readonly model: string;
    readonly usage: ModelUsage | undefined;
    readonly costMicroUsd: number;
    /** Rejected, or sent back to be repaired. */
    readonly isInVain: boolean;
    readonly isForced: boolean;
  },
  priceOf: (model: string) => Price | undefined,
): number | undefined {
  if (tiers === undefined || call.isForced) return undefined;
  const index = models.indexOf(call.model);
  const last = tiers.length - 1;
  if (index < 0 || index >= last) return undefined;
  if (call.isInVain) return -call.costMicroUsd;
  const price = priceOf(models[last] ?? '');
  if (price === undefined || call.usage === undefined) return undefined;
  return costMicroUsd(price, call.usage) - call.costMicroUsd;
}
