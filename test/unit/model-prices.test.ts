import { calcPrice } from '@pydantic/genai-prices';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { priceOverridesFrom } from '../../activities/models/price-overrides.ts';
import {
  costMicroUsd,
  picoUsdPerToken,
  priceOf,
  worstCaseMicroUsd,
  type Price,
} from '../../activities/models/prices.ts';
import { usageFrom } from '../../activities/models/model-usage.ts';
import { standInModelId } from '../../activities/models/stand-in-id.ts';

const at = new Date('2026-11-01T12:00:00Z');

function priced(model: string): Price {
  const price = priceOf(model, { at });
  if (price === undefined) throw new Error(`${model} has no price`);
  return price;
}

const usage = (inputTokens: number, outputTokens: number, cachedInputTokens = 0) => ({
  inputTokens,
  cachedInputTokens,
  outputTokens,
  reasoningTokens: 0,
});

describe('a price', () => {
  test('comes from the data package, in whole pico-dollars a token', () => {
    expect(priced('gpt-4o-mini')).toEqual({
      tiers: [
        {
          aboveInputTokens: 0,
          inputPicoUsd: 150_000,
          cachedInputPicoUsd: 75_000,
          cacheWritePicoUsd: 150_000,
          outputPicoUsd: 600_000,
          reasoningPicoUsd: 600_000,
        },
      ],
      requestPicoUsd: 0,
      source: 'genai-prices 0.1.8',
    });
  });

  test('of an unknown model is undefined, never zero', () => {
    for (const model of [
      'nobody-knows-me',
      'gpt-9-ultra',
      '',
      'text-embedding-nothing',
      'toString',
    ])
      expect(priceOf(model)).toBeUndefined();
  });

  test('of the stand-in is nominal, and says so', () => {
    expect(priceOf(standInModelId)?.source).toBe('nominal');
  });

  test('that the operator set beats all others', () => {
    const overrides = priceOverridesFrom(
      '{ "gpt-4o-mini": { "inputUsdPerMillion": 1, "outputUsdPerMillion": 2 } }',
      'prices.json',
    );
    expect(priceOf('gpt-4o-mini', { overrides })).toMatchObject({
      source: 'override',
      tiers: [{ inputPicoUsd: 1_000_000, cachedInputPicoUsd: 1_000_000, outputPicoUsd: 2_000_000 }],
    });
    expect(priceOf('toString', { overrides })).toBeUndefined();
  });

  test('with long-context tiers has them all, and each begins where the package says', () => {
    const tiers = priced('claude-sonnet-4-5').tiers;
    expect(
      tiers.map((tier) => [tier.aboveInputTokens, tier.inputPicoUsd, tier.outputPicoUsd]),
    ).toEqual([
      [0, 3_000_000, 15_000_000],
      [200_000, 6_000_000, 22_500_000],
    ]);
  });

  test('that depends on the hour counts as its dearest hour', () => {
    const prices = [0, 6, 12, 18].map((hour) =>
      priceOf('deepseek-chat', { at: new Date(Date.UTC(2026, 10, 1, hour)) }),
    );
    expect(new Set(prices.map((price) => JSON.stringify(price))).size).toBe(1);
    const asked = calcPrice({ input_tokens: 1_000_000 }, 'deepseek-chat', {
      timestamp: new Date(Date.UTC(2026, 10, 1, 18)),
    });
    expect(prices[0]?.tiers[0].inputPicoUsd).toBeGreaterThanOrEqual(
      (asked?.input_price ?? 0) * 1_000_000,
    );
  });

  test('that floating point made untidy is tidied, and never lowered otherwise', () => {
    expect(picoUsdPerToken(0.18000000000000002)).toBe(180_000);
    expect(picoUsdPerToken(0.0036)).toBe(3_600);
    expect(picoUsdPerToken(0.08333333333333334)).toBe(83_334);
  });
});

describe('a cost', () => {
  test('is rounded up once, to whole micro-dollars', () => {
    const price = priced('gpt-4o-mini');
    expect(costMicroUsd(price, usage(0, 0))).toBe(0);
    expect(costMicroUsd(price, usage(1, 0))).toBe(1);
    expect(costMicroUsd(price, usage(20, 0))).toBe(3);
    expect(costMicroUsd(price, usage(1_000_000, 1_000_000, 400_000))).toBe(
      90_000 + 30_000 + 600_000,
    );
  });

  test('in a long context is the higher tier for all of the call', () => {
    const price = priced('claude-sonnet-4-5');
    expect(costMicroUsd(price, usage(200_000, 0))).toBe(600_000);
    expect(costMicroUsd(price, usage(200_001, 0))).toBe(1_200_006);
  });

  test('counts what was written to a prompt cache where the provider bills it', () => {
    const written = usageFrom({
      prompt_tokens: 1_000_000,
      completion_tokens: 0,
      prompt_tokens_details: { cache_write_tokens: 100_000 },
    });
    expect(written).toMatchObject({ cacheWriteTokens: 100_000 });
    expect(costMicroUsd(priced('claude-opus-4-6'), written ?? usage(0, 0))).toBe(
      900_000 * 5 + 100_000 * 10,
    );
  });

  test('is no usage where it counts no token of the prompt: such a reply was not free', () => {
    expect(usageFrom({ prompt_tokens: 0, completion_tokens: 0 })).toBeUndefined();
    expect(usageFrom({ prompt_tokens: 1, completion_tokens: 0 })).toMatchObject({ inputTokens: 1 });
  });

  const models = [
    'gpt-4o-mini',
    'gpt-5-mini',
    'gpt-5.1',
    'gpt-5.6',
    'o3',
    'claude-sonnet-4-5',
    'gemini-2.5-pro',
    'mistral-small-latest',
  ];
  const counts = fc.tuple(
    fc.nat(2_000_000),
    fc.nat(200_000),
    fc.double({ min: 0, max: 1, noNaN: true }),
  );

  test('is never below what the data package says, and less than two micro-dollars above', () => {
    fc.assert(
      fc.property(fc.constantFrom(...models), counts, (model, [input, output, share]) => {
        const cached = Math.floor(input * share);
        const cost = costMicroUsd(priced(model), usage(input, output, cached));
        const theirs =
          (calcPrice(
            { input_tokens: input, cache_read_tokens: cached, output_tokens: output },
            model,
            { timestamp: at },
          )?.total_price ?? 0) * 1e6;
        // Their sum is a float: its last digits are not money.
        expect(cost).toBeGreaterThanOrEqual(theirs - theirs * 1e-9);
        expect(cost).toBeLessThan(theirs + 1 + theirs * 1e-9);
      }),
    );
  });

  test('is never above the worst case of its bounds', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        counts,
        counts,
        (model, [input, output, share], [moreInput, moreOutput]) => {
          const price = priced(model);
          const cost = costMicroUsd(price, {
            ...usage(input, output, Math.floor((input * share) / 2)),
            cacheWriteTokens: Math.floor((input * share) / 2),
          });
          expect(cost).toBeLessThanOrEqual(
            worstCaseMicroUsd(price, {
              promptTokensMax: input + moreInput,
              outputTokensMax: output + moreOutput,
            }),
          );
        },
      ),
    );
  });

  test('of very many tokens loses no micro-dollar', () => {
    const price = priceOf('m', {
      overrides: { m: { inputUsdPerMillion: 999_999.999999, outputUsdPerMillion: 0.000001 } },
    });
    if (price === undefined) throw new Error('no price');
    expect(costMicroUsd(price, usage(9_007_199, 1))).toBe(
      Number((9_007_199n * 999_999_999_999n + 1n + 999_999n) / 1_000_000n),
    );
  });
});

describe('price overrides', () => {
  test('are refused with every mistake named', () => {
    const text =
      '{ "a": { "inputUsdPerMillion": -1, "outputUsdPerMillion": "2" }, "b": { "inputUsdPerMillion": 1, "output": 2 } }';
    const refusal = (() => {
      try {
        priceOverridesFrom(text, 'prices.json');
        return undefined;
      } catch (error) {
        return error;
      }
    })();
    expect(refusal).toBeInstanceOf(BelayerError);
    expect(refusal).toMatchObject({ type: failureType.settingsRejected });
    const { message } = refusal as BelayerError;
    for (const part of [
      'prices.json',
      '"a".inputUsdPerMillion is -1; it must be a number of US dollars from 0 to 1000000',
      '"a".outputUsdPerMillion is "2"',
      '"b".outputUsdPerMillion is missing',
      '"b".output is not known; known are inputUsdPerMillion, ',
      'Example:',
    ])
      expect(message).toContain(part);
  });

  test('that are no JSON are refused', () => {
    expect(() => priceOverridesFrom('{', 'prices.json')).toThrow(/prices\.json is not JSON: .+/u);
  });

  test('are read with a byte order mark, and refused where a model is there twice, however it is written', () => {
    const price = '{ "inputUsdPerMillion": 1, "outputUsdPerMillion": 2 }';
    expect(priceOverridesFrom(`\ufeff{ "a": ${price} }`, 'x')).toHaveProperty('a');
    const dated = '[{ "from": "2026-10-01", "inputUsdPerMillion": 1, "outputUsdPerMillion": 2 }]';
    // The same name within entries, or in a name, is no second one.
    const once = `{ "a": ${dated}, "b": ${dated}, "\\"a\\":{": ${price} }`;
    expect(Object.keys(priceOverridesFrom(once, 'x'))).toEqual(['a', 'b', '"a":{']);
    for (const twice of [
      `{ "a": ${dated}, "a": ${price} }`,
      `{"a":${price},"b":${price},"\\u0061":${price}}`,
    ])
      // prettier-ignore
      expect(() => priceOverridesFrom(twice, 'x')).toThrow(
        'x has a mistake:\n  - "a" is there more than once',
      );
  });
});
