import { calcPrice, type PriceCalculation } from '@pydantic/genai-prices';
import { standInModelId } from './stand-in-id.ts';
import type { ModelUsage } from './model-usage.ts';
import type { PriceOverrides } from './price-overrides.ts';

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
  /** Reasoning tokens are output tokens; where they have a price of their own, the higher of the two. */
  readonly outputPicoUsd: number;
}

export interface Price {
  /** At least one, rising by `aboveInputTokens`, the first from 0. */
  readonly tiers: readonly [Rates, ...Rates[]];
  /** Added to every call, in pico-dollars. 0 for most. */
  readonly requestPicoUsd: number;
  /** Where the numbers come from: kept beside every cost. */
  readonly source: 'genai-prices 0.1.8' | 'override' | 'nominal';
}

export interface PriceQuestion {
  /** A provider of genai-prices ('openai', 'openrouter' ...) where the model's name does not say it. */
  readonly providerId?: string;
  readonly overrides?: PriceOverrides;
  /** The moment the price is for. Default now. */
  readonly at?: Date;
}

/**
 * The price of a model: an override, the stand-in's nominal one, else that of genai-prices.
 *
 * A price that depends on the hour counts as its dearest hour, so that a call which crosses the change is not
 * under-charged. Long-context tiers are kept. Not covered: images, audio, and tools that a provider runs itself.
 * @returns undefined for a model without a price for input and output. The caller refuses it: nothing is free by default.
 */
export function priceOf(model: string, question: PriceQuestion = {}): Price | undefined {
  const override =
    question.overrides !== undefined && Object.hasOwn(question.overrides, model)
      ? question.overrides[model]
      : undefined;
  if (override !== undefined) {
    const {
      inputUsdPerMillion,
      outputUsdPerMillion,
      cachedInputUsdPerMillion = inputUsdPerMillion,
    } = override;
    return flat([inputUsdPerMillion, cachedInputUsdPerMillion, outputUsdPerMillion], 'override');
  }
  // Priced like a small model, so that budgets are seen to work without a key. Nobody is billed.
  if (model === standInModelId) return flat([0.25, 0.025, 2], 'nominal');
  const found = calcPrice({}, model, {
    ...(question.providerId === undefined ? {} : { providerId: question.providerId }),
    ...(question.at === undefined ? {} : { timestamp: question.at }),
  });
  return found === null ? undefined : fromPackage(found);
}

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
      BigInt(usage.outputTokens) * BigInt(rates.outputPicoUsd) +
      BigInt(price.requestPicoUsd),
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
  const output = Math.max(...reached.map((tier) => tier.outputPicoUsd));
  return microUsd(
    BigInt(bounds.promptTokensMax) * BigInt(input) +
      BigInt(bounds.outputTokensMax) * BigInt(output) +
      BigInt(price.requestPicoUsd),
  );
}

function microUsd(picoUsd: bigint): number {
  return Number((picoUsd + 999_999n) / 1_000_000n);
}

type PerMillion = readonly [input: number, cachedInput: number, output: number];

function flat([input, cached, output]: PerMillion, source: Price['source']): Price {
  const inputPicoUsd = picoUsdPerToken(input);
  const rates = {
    aboveInputTokens: 0,
    inputPicoUsd,
    cachedInputPicoUsd: picoUsdPerToken(cached),
    cacheWritePicoUsd: inputPicoUsd,
    outputPicoUsd: picoUsdPerToken(output),
  };
  return { tiers: [rates], requestPicoUsd: 0, source };
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
      const dearest = (...keys: TokenKey[]) =>
        Math.max(
          ...candidates.map((prices) => {
            const priced = keys.flatMap((key) =>
              prices[key] === undefined ? [] : [rateAt(prices[key], start)],
            );
            return picoUsdPerToken(
              priced.length === 0 ? rateAt(prices['input_mtok'], start) : Math.max(...priced),
            );
          }),
        );
      return {
        aboveInputTokens: start,
        inputPicoUsd: dearest('input_mtok'),
        cachedInputPicoUsd: dearest('cache_read_mtok'),
        cacheWritePicoUsd: dearest('cache_write_mtok', 'cache_write_1h_mtok'),
        outputPicoUsd: dearest('output_mtok', 'output_reasoning_mtok'),
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
