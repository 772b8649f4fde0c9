/** Prices that the operator sets: the file that `BELAYER_PRICES` names. */
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { readMoment } from '../../definitions/internal.ts';
import { duplicateKeys } from './duplicate-keys.ts';

/** In US dollars per million tokens. */
export interface OverridePrice {
  readonly inputUsdPerMillion: number;
  /** Of prompt tokens that the provider's cache had. Default: as input. */
  readonly cachedInputUsdPerMillion?: number;
  /** Of prompt tokens that are written to that cache, where that is billed apart. Default: as input. */
  readonly cacheWriteUsdPerMillion?: number;
  readonly outputUsdPerMillion: number;
  /** Of output tokens that the model spent thinking. Default: as output. */
  readonly reasoningUsdPerMillion?: number;
  /** US dollars for one call, beside its tokens. Default 0. */
  readonly requestUsd?: number;
}

export interface DatedOverridePrice extends OverridePrice {
  /** A day in UTC, or an instant: the price holds from then on. */
  readonly from: string;
}

/**
 * By exact model name. They beat every other source.
 *
 * One price holds always. Of a list, each later than the one before, the last that has begun holds; before the first
 * it is as if the file did not name the model.
 */
export type PriceOverrides = Readonly<
  Record<string, OverridePrice | readonly DatedOverridePrice[]>
>;

/** The price that the file gives a model at a moment, or undefined. */
export function overrideAt(
  overrides: PriceOverrides | undefined,
  model: string,
  at: Date,
): OverridePrice | DatedOverridePrice | undefined {
  const given = overrides !== undefined && Object.hasOwn(overrides, model) ? overrides[model] : undefined; // prettier-ignore
  if (given === undefined || !isList(given)) return given;
  return given.findLast(({ from }) => Date.parse(from) <= at.getTime());
}

/** When the first dated price of a model begins, where it has not yet. */
export function firstBeginning(
  overrides: PriceOverrides | undefined,
  model: string,
  at: Date,
): string | undefined {
  const given = overrides !== undefined && Object.hasOwn(overrides, model) ? overrides[model] : undefined; // prettier-ignore
  if (given === undefined || !isList(given) || overrideAt(overrides, model, at) !== undefined)
    return undefined;
  return given[0]?.from;
}

/**
 * Reads the content of such a file.
 * @param from  Where the text comes from, for the message.
 * @throws BelayerError SettingsRejected, naming every mistake at once: model, key, value and what would be right.
 */
export function priceOverridesFrom(text: string, from: string): PriceOverrides {
  // Some editors put a byte order mark before it.
  const json = text.replace(/^\ufeff/, '');
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new BelayerError(
      failureType.settingsRejected,
      `${from} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}. ${example}`,
      { cause },
    );
  }
  const mistakes = isObject(value)
    ? [
        ...duplicateKeys(json).map(
          (model) =>
            `${nameOf(model)} is there more than once; make it one entry, a list of dated prices where they change`,
        ),
        ...Object.entries(value).flatMap(([model, given]) => modelMistakes(model, given)),
      ]
    : [`the whole is ${inShort(value)}; it must be an object of models`];
  if (mistakes.length === 0) return value as PriceOverrides;
  throw new BelayerError(
    failureType.settingsRejected,
    `${from} has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}\n${example}`,
  );
}

const example =
  'Example: { "my-model": { "inputUsdPerMillion": 0.1, "cachedInputUsdPerMillion": 0.01, "outputUsdPerMillion": 0.4 } }';

const perMillion = {
  max: limits.priceUsdPerMillionTokensMax,
  maxName: 'priceUsdPerMillionTokensMax',
};
const amounts: Readonly<
  Record<string, { readonly max: number; readonly maxName: string; readonly isNeeded?: true }>
> = {
  // prettier-ignore
  inputUsdPerMillion: { ...perMillion, isNeeded: true },
  cachedInputUsdPerMillion: perMillion,
  cacheWriteUsdPerMillion: perMillion,
  outputUsdPerMillion: { ...perMillion, isNeeded: true },
  reasoningUsdPerMillion: perMillion,
  requestUsd: { max: limits.priceUsdPerRequestMax, maxName: 'priceUsdPerRequestMax' },
};

const nameOf = (model: string): string =>
  `"${model.length > 80 ? `${model.slice(0, 80)}...` : model}"`;

/** A name that the file takes. */
export const isModelName = (model: string): boolean => /^\S{1,256}$/u.test(model);

function modelMistakes(model: string, given: unknown): string[] {
  const name = nameOf(model);
  const bad = isModelName(model)
    ? []
    : [`${name} is no model's name: 1 to 256 characters without spaces`];
  if (!Array.isArray(given)) return [...bad, ...priceMistakes(name, given, false)];
  if (given.length === 0 || given.length > limits.pricesPerModelMax)
    return [
      ...bad,
      `${name} is a list of ${given.length} prices; it must have 1 to ${limits.pricesPerModelMax} (\`pricesPerModelMax\`)`,
    ];
  const begins = given.map((each: unknown) =>
    readMoment(isObject(each) ? each['from'] : undefined),
  );
  return [
    ...bad,
    ...given.flatMap((each: unknown, index) => priceMistakes(`${name}[${index}]`, each, true)),
    ...begins.flatMap((moment, index) => {
      const before = begins[index - 1];
      return 'at' in moment && before !== undefined && 'at' in before && moment.at <= before.at
        ? [`${name}[${index}].from is no later than the one before it; the list must be in order of time`] // prettier-ignore
        : [];
    }),
  ];
}

function priceMistakes(where: string, given: unknown, isDated: boolean): string[] {
  if (!isObject(given)) return [`${where} is ${inShort(given)}; it must be an object, or a list of dated ones`]; // prettier-ignore
  const moment = isDated ? readMoment(given['from']) : undefined;
  return [
    ...(moment !== undefined && 'problem' in moment
      ? [`${where}.from is ${inShort(given['from'])}; it ${moment.problem}`]
      : []),
    ...Object.entries(amounts).flatMap(([key, { max, maxName, isNeeded }]) => {
      const value = given[key];
      if (value === undefined && isNeeded !== true) return [];
      return typeof value === 'number' && value >= 0 && value <= max
        ? []
        : [`${where}.${key} is ${inShort(value)}; it must be a number of US dollars from 0 to ${max} (\`${maxName}\`)`]; // prettier-ignore
    }),
    ...Object.keys(given)
      .filter((key) => !Object.hasOwn(amounts, key) && !(isDated && key === 'from'))
      .map((key) =>
        key === 'from'
          ? `${where}.from is for prices in a list: [{ "from": "2026-10-01", ... }]`
          : `${where}.${key.slice(0, 80)} is not known; known are ${Object.keys(amounts).join(', ')}, and \`from\` in a list`,
      ),
  ];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isList = (
  given: OverridePrice | readonly DatedOverridePrice[],
): given is readonly DatedOverridePrice[] => Array.isArray(given);

function inShort(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
