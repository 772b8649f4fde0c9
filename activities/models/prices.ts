import { calcPrice, type PriceCalculation } from '@pydantic/genai-prices';
import { standInModelId } from './stand-in-id.ts';
import type { ModelUsage } from './model-usage.ts';
import { type OverridePrice, overrideAt, type PriceOverrides } from './price-overrides.ts';

/**
 * What one token costs, in whole pico-dollars (1e-12 USD): one US dollar per million tokens is 1 000 000.
 *
 * Nano-dollars would not do: a cached token of gpt-5-nano costs 5 nano-dollars, of others half a nano-dollar.
 */
export interface Rates {
  /** These rates hold for prompts of more input tokens than this, cached ones included. */
  readonly aboveInputTokens: number;
  readonly inputPicoUsd: number;
  readonly cachedInputPicoUsd: number;
  /** Where a provider bills the writing of its prompt cache apart; else the same as input. */
  readonly cacheWritePicoUsd: number;
  readonly outputPicoUsd: number;
  /** Of the output tokens that the model spent thinking; the same as output where they have no price of their own. */
  readonly reasoningPicoUsd: number;
}

export interface Price {
  /** At least one, rising by `aboveInputTokens`, the first from 0. */
  readonly tiers: readonly [Rates, ...Rates[]];
  /** Added to every call, in pico-dollars. 0 for most. */
  readonly requestPicoUsd: number;
  /** Where the numbers come from: kept beside every cost. */
  readonly source: 'genai-prices 0.1.8' | 'override' | `override from ${string}` | 'nominal';
}

export interface PriceQuestion {
  /** A provider of genai-prices ('openai', 'openrouter' ...) where the model's name does not say it. */
  readonly providerId?: string;
  readonly overrides?: PriceOverrides;
  /** The moment the price is for. Default now. */
  readonly at?: Date;
}

/**
 * The price of a model at a moment: an override, the stand-in's nominal one, else that of genai-prices.
 *
 * A price that depends on the hour counts as its dearest hour, so that a call which crosses the change is not
 * under-charged; one that begins on a day holds from that day on. Long-context tiers are kept. Not covered, as no prompt
 * holds them: images and audio; nor tools that a provider runs itself.
 * @returns undefined for a model without a price for input and output. The caller refuses it: nothing is free by default.
 */
export function priceOf(model: string, question: PriceQuestion = {}): Price | undefined {
  const at = question.at ?? new Date();
  const override = overrideAt(question.overrides, model, at);
  if (override !== undefined)
    return flat(override, 'from' in override ? `override from ${override.from}` : 'override');
  // Priced like a small model, so that budgets are seen to work without a key. Nobody is billed.
  if (model === standInModelId) return flat(nominal, 'nominal');
  const found = calcPrice({}, model, {
    ...(question.providerId === undefined ? {} : { providerId: question.providerId }),
    timestamp: at,
  });
  return found === null ? undefined : fromPackage(found);
}

const nominal: OverridePrice = {
  inputUsdPerMillion: 0.25,
  cachedInputUsdPerMillion: 0.025,
  outputUsdPerMillion: 2,
};

/** Pico-dollars per token from US dollars per million tokens, never below them. */
export function picoUsdPerToken(usdPerMillion: number): number {
  const exact = usdPerMillion * 1_000_000;
  const nearest = Math.round(exact);
  // 0.1 + 0.2 kinds of noise are not a price: 0.18000000000000002 means 0.18.
  return Math.abs(exact - nearest) < 1e-3 ? nearest : Math.ceil(exact);
}

/**
 * What a call cost, in micro-dollars, rounded up once.
 * @throws nothing: a usage has been held to whole numbers and its parts to their totals by `usageFrom`.
 */
export function costMicroUsd(price: Price, usage: ModelUsage): number {
  const rates =
    price.tiers.findLast((tier) => usage.inputTokens > tier.aboveInputTokens) ?? price.tiers[0];
  const written = usage.cacheWriteTokens ?? 0;
  const plain = usage.inputTokens - usage.cachedInputTokens - written;
  return microUsd(
    BigInt(plain) * BigInt(rates.inputPicoUsd) +
      BigInt(usage.cachedInputTokens) * BigInt(rates.cachedInputPicoUsd) +
      BigInt(written) * BigInt(rates.cacheWritePicoUsd) +
      outputPicoUsd(rates, usage) +
      BigInt(price.requestPicoUsd),
  );
}

/** A provider that tells no reasoning tokens may have billed any: all output then counts at the dearer of the two rates. */
function outputPicoUsd(rates: Rates, { outputTokens, reasoningTokens }: ModelUsage): bigint {
  if (reasoningTokens === 0)
    return BigInt(outputTokens) * BigInt(Math.max(rates.outputPicoUsd, rates.reasoningPicoUsd));
  return (
    BigInt(outputTokens - reasoningTokens) * BigInt(rates.outputPicoUsd) +
    BigInt(reasoningTokens) * BigInt(rates.reasoningPicoUsd)
  );
}

/**
 * The most that a call can cost, in micro-dollars: every prompt token at the dearest rate for input, every output
 * token at the dearest for output, of all tiers that the prompt may reach. Never below `costMicroUsd` of a usage
 * within the two bounds.
 */
export function worstCaseMicroUsd(
  price: Price,
  bounds: { readonly promptTokensMax: number; readonly outputTokensMax: number },
): number {
  const reached = price.tiers.filter(
    (tier) => tier.aboveInputTokens === 0 || bounds.promptTokensMax > tier.aboveInputTokens,
  );
  const input = Math.max(
    ...reached.map((tier) =>
      Math.max(tier.inputPicoUsd, tier.cachedInputPicoUsd, tier.cacheWritePicoUsd),
    ),
  );
  const output = Math.max(
    ...reached.map((tier) => Math.max(tier.outputPicoUsd, tier.reasoningPicoUsd)),
  );
  return microUsd(
    BigInt(bounds.promptTokensMax) * BigInt(input) +
      BigInt(bounds.outputTokensMax) * BigInt(output) +
      BigInt(price.requestPicoUsd),
  );
}

function microUsd(picoUsd: bigint): number {
  return Number((picoUsd + 999_999n) / 1_000_000n);
}

/**
 * What a journal keeps of a price: `in/cached/out` in pico-dollars per token of its first tier, what differs from
 * them, and where the numbers come from.
 */
export function priceNote({ tiers: [first], requestPicoUsd, source }: Price): string {
  return [
    `${first.inputPicoUsd}/${first.cachedInputPicoUsd}/${first.outputPicoUsd}`,
    ...(first.cacheWritePicoUsd === first.inputPicoUsd ? [] : [`write ${first.cacheWritePicoUsd}`]),
    ...(first.reasoningPicoUsd === first.outputPicoUsd
      ? []
      : [`reasoning ${first.reasoningPicoUsd}`]),
    ...(requestPicoUsd === 0 ? [] : [`request ${requestPicoUsd}`]),
    source,
  ].join(' ');
}

function flat(price: OverridePrice, source: Price['source']): Price {
  const input = price.inputUsdPerMillion;
  const output = price.outputUsdPerMillion;
  const rates = {
    aboveInputTokens: 0,
    inputPicoUsd: picoUsdPerToken(input),
    cachedInputPicoUsd: picoUsdPerToken(price.cachedInputUsdPerMillion ?? input),
    cacheWritePicoUsd: picoUsdPerToken(price.cacheWriteUsdPerMillion ?? input),
    outputPicoUsd: picoUsdPerToken(output),
    reasoningPicoUsd: picoUsdPerToken(price.reasoningUsdPerMillion ?? output),
  };
  // One request is a million times what a million of them would be per token: the same rounding holds.
  return {
    tiers: [rates],
    requestPicoUsd: picoUsdPerToken((price.requestUsd ?? 0) * 1_000_000),
    source,
  };
}

type PackagePrices = PriceCalculation['model_price'];

function fromPackage(found: PriceCalculation): Price | undefined {
  const hourly =
    Array.isArray(found.model.prices) &&
    found.model.prices.some((each) => each.constraint?.type === 'time_of_date');
  const candidates: PackagePrices[] =
    hourly && Array.isArray(found.model.prices)
      ? [found.model_price, ...found.model.prices.map((each) => each.prices)]
      : [found.model_price];
  if (
    candidates.some(
      (prices) => prices['input_mtok'] === undefined || prices['output_mtok'] === undefined,
    )
  )
    return undefined;
  const starts = new Set(
    candidates.flatMap((prices) => tokenKeys.flatMap((key) => startsOf(prices[key]))),
  );
  const tiers = [0, ...[...starts].filter((start) => start > 0)]
    .toSorted((a, b) => a - b)
    .map((start): Rates => {
      const dearest = (keys: readonly TokenKey[], otherwise: 'input_mtok' | 'output_mtok') =>
        Math.max(
          ...candidates.map((prices) => {
            const priced = keys.flatMap((key) =>
              prices[key] === undefined ? [] : [rateAt(prices[key], start)],
            );
            return picoUsdPerToken(
              priced.length === 0 ? rateAt(prices[otherwise], start) : Math.max(...priced),
            );
          }),
        );
      return {
        aboveInputTokens: start,
        inputPicoUsd: dearest([], 'input_mtok'),
        cachedInputPicoUsd: dearest(['cache_read_mtok'], 'input_mtok'),
        cacheWritePicoUsd: dearest(['cache_write_mtok', 'cache_write_1h_mtok'], 'input_mtok'),
        outputPicoUsd: dearest([], 'output_mtok'),
        reasoningPicoUsd: dearest(['output_reasoning_mtok'], 'output_mtok'),
      };
    });
  const [first, ...more] = tiers;
  if (first === undefined) return undefined;
  const requests = Math.max(
    ...candidates.map((prices) => rateAt(prices['requests_kcount'], Infinity)),
  );
  // US dollars per thousand requests.
  return {
    tiers: [first, ...more],
    requestPicoUsd: Math.ceil(requests * 1_000_000_000),
    source: 'genai-prices 0.1.8',
  };
}

const tokenKeys = [
  'input_mtok',
  'cache_read_mtok',
  'cache_write_mtok',
  'cache_write_1h_mtok',
  'output_mtok',
  'output_reasoning_mtok',
] as const;
type TokenKey = (typeof tokenKeys)[number];

function startsOf(value: PackagePrices[string]): number[] {
  return typeof value === 'object' ? value.tiers.map((tier) => tier.start) : [];
}

/** The rate for a prompt of more than `start` tokens, as genai-prices reads its tiers: the last one that began. */
function rateAt(value: PackagePrices[string], start: number): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  return value.tiers.findLast((tier) => tier.start <= start)?.price ?? value.base;
}
