import { howToPrice, notFree, unpricedModel } from '../activities/models/unpriced.ts';
import { isModelName } from '../activities/models/price-overrides.ts';
import { priceBook } from '../activities/models/price-book.ts';
import type { Price } from '../activities/models/prices.ts';
import { standInModelId } from '../activities/models/stand-in-id.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import type { WorkerSettings } from './settings.ts';

/** US dollars per million tokens, for prompts of more than so many tokens. */
export interface ListedTier {
  readonly aboveInputTokens: number;
  readonly inputUsdPerMillion: number;
  readonly cachedInputUsdPerMillion: number;
  readonly cacheWriteUsdPerMillion: number;
  readonly outputUsdPerMillion: number;
  readonly reasoningUsdPerMillion: number;
}

export interface ListedPrice {
  readonly model: string;
  /** The moment that was asked about, ISO 8601. */
  readonly at: string;
  readonly source: Price['source'];
  /** US dollars for one call, beside its tokens. */
  readonly requestUsd: number;
  readonly tiers: readonly ListedTier[];
}

/**
 * Prices as a worker with these settings has them; and what to say where a model has none.
 *
 * @throws InputRejected  What is asked for is no name of a model.
 */
export function listPrices(
  models: readonly string[],
  settings: WorkerSettings,
  at: Date,
): { readonly prices: readonly ListedPrice[]; readonly refusal: string | undefined } {
  const price = priceBook(settings.prices);
  const byDefault = [
    ...Object.keys(settings.prices ?? {}),
    settings.modelDefault ?? standInModelId,
  ];
  const wanted = [...new Set(models.length === 0 ? byDefault : models)];
  const noNames = wanted.filter((model) => !isModelName(model));
  if (noNames.length > 0)
    throw new BelayerError(
      failureType.inputRejected,
      `${noNames.map((model) => JSON.stringify(model.slice(0, 80))).join(', ')}: no name of a model; it has 1 to 256 characters without spaces.`,
    );
  const missing = wanted.filter((model) => price(model, at) === undefined);
  return {
    prices: wanted.flatMap((model) => {
      const found = price(model, at);
      return found === undefined ? [] : [listed(model, found, at)];
    }),
    refusal:
      missing.length === 0
        ? undefined
        : `${missing.length === 1 ? 'A model has' : `${missing.length} models have`} no price, ${notFree}.\n${missing.map((model) => `  - ${unpricedModel(model, settings, at)}`).join('\n')}\n${howToPrice(missing, settings, at)}`,
  };
}

const listed = (model: string, price: Price, at: Date): ListedPrice => ({
  model,
  at: at.toISOString(),
  source: price.source,
  requestUsd: price.requestPicoUsd / 1e12,
  tiers: price.tiers.map((tier) => ({
    aboveInputTokens: tier.aboveInputTokens,
    inputUsdPerMillion: tier.inputPicoUsd / 1e6,
    cachedInputUsdPerMillion: tier.cachedInputPicoUsd / 1e6,
    cacheWriteUsdPerMillion: tier.cacheWritePicoUsd / 1e6,
    outputUsdPerMillion: tier.outputPicoUsd / 1e6,
    reasoningUsdPerMillion: tier.reasoningPicoUsd / 1e6,
  })),
});
