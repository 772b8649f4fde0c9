/** What is said of models without a price, and how to give them one. */
import { nearModels } from './near-models.ts';
import { firstBeginning, type PriceOverrides } from './price-overrides.ts';

export interface PriceFile {
  readonly prices?: PriceOverrides;
  /** What `BELAYER_PRICES` names. */
  readonly pricesFile?: string;
}

/** `model \`x\``, with names near it, or with the day on which its first price begins. */
export function unpricedModel(model: string, { prices }: PriceFile, at: Date): string {
  const begins = firstBeginning(prices, model, at);
  if (begins !== undefined) return `model \`${model}\`, whose first price begins at ${begins}`;
  const near = nearModels(model, at, Object.keys(prices ?? {}));
  return near.length === 0
    ? `model \`${model}\``
    : `model \`${model}\` (names near it: ${near.map((name) => `\`${name}\``).join(', ')})`;
}

/** Which file, and the JSON to put there; what the file has, but from later on, gets an earlier price in its list. */
export function howToPrice(
  models: readonly string[],
  { prices, pricesFile }: PriceFile,
  at: Date,
): string {
  const later = models.filter((model) => firstBeginning(prices, model, at) !== undefined);
  const missing = models.filter((model) => !later.includes(model));
  return [
    ...later.map(
      (model) =>
        `Put before the first price in the list that ${pricesFile ?? 'the file of BELAYER_PRICES'} has for ${JSON.stringify(model)}, with what holds now in place of 1 and 2:\n  { "from": "${at.toISOString().slice(0, 10)}", "inputUsdPerMillion": 1, "outputUsdPerMillion": 2 },`,
    ),
    ...(missing.length === 0 ? [] : [entriesToAdd(missing, pricesFile)]),
  ].join('\n');
}

function entriesToAdd(models: readonly string[], pricesFile: string | undefined): string {
  const where =
    pricesFile === undefined
      ? 'Write a file, such as prices.json, and name it by BELAYER_PRICES=prices.json'
      : `Add to ${pricesFile}, the file that BELAYER_PRICES names`;
  const text = models
    .map(
      (model) =>
        `  ${JSON.stringify(model)}: { "inputUsdPerMillion": 1, "outputUsdPerMillion": 2 }`,
    )
    .join(',\n');
  return `${where}, with your provider's US dollars per million tokens in place of 1 and 2:\n{\n${text}\n}`;
}

export const notFree = 'and a model without a price is not assumed free';
