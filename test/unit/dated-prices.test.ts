/** Prices that begin on a day, and what is said of models that have none. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { priceBook } from '../../activities/models/price-book.ts';
import {
  type DatedOverridePrice,
  type OverridePrice,
  type PriceOverrides,
  priceOverridesFrom,
} from '../../activities/models/price-overrides.ts';
import {
  costMicroUsd,
  type Price,
  priceNote,
  priceOf,
  worstCaseMicroUsd,
} from '../../activities/models/prices.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { defineAgent, defineApp } from '../../definitions/index.ts';
import { asApp, readMoment } from '../../definitions/internal.ts';
import { listPrices } from '../../workers/list-prices.ts';
import { refuseUnpriced } from '../../workers/refuse-unpriced.ts';

const at = (moment: string): Date => new Date(moment);
const read = (value: unknown): PriceOverrides => priceOverridesFrom(JSON.stringify(value), 'prices.json'); // prettier-ignore
const inputAt = (overrides: PriceOverrides, model: string, moment: string): number | undefined =>
  priceOf(model, { overrides, at: at(moment) })?.tiers[0].inputPicoUsd;
function refusalOf(act: () => unknown): BelayerError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(BelayerError);
    return error as BelayerError;
  }
  throw new Error('nothing was refused');
}

describe('a dated price', () => {
  const dated = (from: string, inputUsdPerMillion: number): DatedOverridePrice => ({ from, inputUsdPerMillion, outputUsdPerMillion: 2 }); // prettier-ignore

  test('holds from its first instant until the next begins; before the first, the package says', () => {
    const overrides = read({
      'gpt-4o-mini': [dated('2026-10-01', 1), dated('2026-10-02T06:00:00+02:00', 3)],
      mine: [dated('2026-10-01', 1)],
    });
    expect(inputAt(overrides, 'gpt-4o-mini', '2026-09-30T23:59:59.999Z')).toBe(150_000);
    expect(inputAt(overrides, 'gpt-4o-mini', '2026-10-01T00:00:00Z')).toBe(1_000_000);
    expect(inputAt(overrides, 'gpt-4o-mini', '2026-10-02T03:59:59Z')).toBe(1_000_000);
    expect(inputAt(overrides, 'gpt-4o-mini', '2026-10-02T04:00:00Z')).toBe(3_000_000);
    expect(inputAt(overrides, 'mine', '2026-09-30T23:59:59.999Z')).toBeUndefined();
    expect(priceOf('mine', { overrides, at: at('2026-11-01T00:00:00Z') })?.source).toBe(
      'override from 2026-10-01',
    );
  });

  test('is, at any moment, the last of its list that has begun', () => {
    const days = fc.uniqueArray(fc.integer({ min: 0, max: 2_000 }), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(days, fc.integer({ min: -10, max: 2_010 }), (begins, moment) => {
        const sorted = begins.toSorted((a, b) => a - b);
        const day = (n: number): Date => new Date(Date.UTC(2024, 0, 1 + n));
        const overrides = read({
          m: sorted.map((n) => dated(day(n).toISOString().slice(0, 10), n)),
        });
        const expected = sorted.filter((n) => n <= moment).at(-1);
        const found = priceOf('m', { overrides, at: day(moment) })?.tiers[0].inputPicoUsd;
        expect(found).toBe(expected === undefined ? undefined : expected * 1_000_000);
      }),
    );
  });

  test('of the package begins on its day as well, and a price book does not hold on to the day before', () => {
    const book = priceBook(undefined);
    const model = 'gpt-5.6-sol';
    const days = Array.from({ length: 400 }, (_, day) => new Date(Date.UTC(2026, 0, 1 + day)));
    const seen = days.map((day) => JSON.stringify(book(model, day)));
    expect(new Set(seen).size).toBeGreaterThan(1);
    for (const [index, day] of days.entries())
      expect(seen[index]).toBe(JSON.stringify(priceOf(model, { at: day })));
    // Backwards too: nothing of it depends on what was asked before.
    for (const day of days.toReversed())
      expect(book(model, day)).toEqual(priceOf(model, { at: day }));
  });

  test('changes in a price book at its instant', () => {
    const book = priceBook(read({ m: [dated('2026-10-01', 1), dated('2026-10-01T12:00:00Z', 2)] }));
    const inputs =
      ['2026-09-30T12:00:00Z', '2026-10-01T11:59:59.999Z', '2026-10-01T12:00:00Z', '2026-10-01T11:00:00Z'] // prettier-ignore
        .map((moment) => book('m', at(moment))?.tiers[0].inputPicoUsd);
    expect(inputs).toEqual([undefined, 1_000_000, 2_000_000, 1_000_000]);
  });
});

describe('an override', () => {
  test('prices cached input, cache writes, reasoning and the call itself', () => {
    const overrides = read({
      m: {
        inputUsdPerMillion: 1,
        cachedInputUsdPerMillion: 0.1,
        cacheWriteUsdPerMillion: 1.25,
        outputUsdPerMillion: 4,
        reasoningUsdPerMillion: 8,
        requestUsd: 0.005,
      },
    });
    const price = priceOf('m', { overrides }) as Price;
    const usage = { inputTokens: 1_000_000, cachedInputTokens: 200_000, cacheWriteTokens: 100_000, outputTokens: 1_000, reasoningTokens: 400 }; // prettier-ignore
    expect(costMicroUsd(price, usage)).toBe(700_000 + 20_000 + 125_000 + 2_400 + 3_200 + 5_000);
    // A provider that does not tell reasoning apart may have billed it all at the dearer rate.
    expect(costMicroUsd(price, { ...usage, reasoningTokens: 0 })).toBe(700_000 + 20_000 + 125_000 + 8_000 + 5_000); // prettier-ignore
    expect(priceNote(price)).toBe(
      '1000000/100000/4000000 write 1250000 reasoning 8000000 request 5000000000 override',
    );
  });

  const usd = fc.double({ min: 0, max: 1_000, noNaN: true });
  const price: fc.Arbitrary<OverridePrice> = fc.record(
    {
      inputUsdPerMillion: usd,
      cachedInputUsdPerMillion: usd,
      cacheWriteUsdPerMillion: usd,
      outputUsdPerMillion: usd,
      reasoningUsdPerMillion: usd,
      requestUsd: fc.double({ min: 0, max: 10, noNaN: true }),
    },
    { requiredKeys: ['inputUsdPerMillion', 'outputUsdPerMillion'] },
  );
  const share = fc.double({ min: 0, max: 1, noNaN: true });

  test('costs at most its worst case, whatever part of the bounds is used and however it is billed', () => {
    const counts = fc.tuple(fc.nat(2_000_000), fc.nat(200_000), share, share, share);
    fc.assert(
      fc.property(
        price,
        counts,
        counts,
        (given, [input, output, cached, written, thought], [moreInput, moreOutput]) => {
          // prettier-ignore
          const found = priceOf('m', { overrides: { m: given } }) as Price;
          const cachedInputTokens = Math.floor(input * cached);
          const cost = costMicroUsd(found, {
            inputTokens: input,
            cachedInputTokens,
            cacheWriteTokens: Math.floor((input - cachedInputTokens) * written),
            outputTokens: output,
            reasoningTokens: Math.floor(output * thought),
          });
          const bounds = {
            promptTokensMax: input + moreInput,
            outputTokensMax: output + moreOutput,
          };
          expect(cost).toBeLessThanOrEqual(worstCaseMicroUsd(found, bounds));
        },
      ),
    );
  });

  test('of the package with long-context tiers stays under its worst case on every day', () => {
    const models = fc.constantFrom('claude-sonnet-4-5', 'gemini-2.5-pro', 'gpt-5.6-sol', 'deepseek-chat'); // prettier-ignore
    const days = fc.date({ min: at('2025-01-01'), max: at('2027-06-01'), noInvalidDate: true });
    const tokens = fc.tuple(fc.nat(1_500_000), fc.nat(100_000), share);
    fc.assert(
      fc.property(
        models,
        days,
        tokens,
        tokens,
        (model, day, [input, output, thought], [moreInput, moreOutput]) => {
          // prettier-ignore
          const found = priceOf(model, { at: day });
          if (found === undefined) return;
          const usage = { inputTokens: input, cachedInputTokens: 0, cacheWriteTokens: input, outputTokens: output, reasoningTokens: Math.floor(output * thought) }; // prettier-ignore
          const bounds = {
            promptTokensMax: input + moreInput,
            outputTokensMax: output + moreOutput,
          };
          expect(costMicroUsd(found, usage)).toBeLessThanOrEqual(worstCaseMicroUsd(found, bounds));
        },
      ),
    );
  });

  test('of the package prices thinking and the call itself where the provider does', () => {
    const providerId = 'perplexity';
    const deep = priceOf('sonar-deep-research', { providerId }) as Price;
    const usage = { inputTokens: 1_000, cachedInputTokens: 0, outputTokens: 1_000, reasoningTokens: 400 }; // prettier-ignore
    expect(costMicroUsd(deep, usage)).toBe(2_000 + 4_800 + 1_200);
    expect(costMicroUsd(deep, { ...usage, reasoningTokens: 0 })).toBe(2_000 + 8_000);
    const sonar = priceOf('sonar', { providerId }) as Price;
    expect(sonar.requestPicoUsd).toBeGreaterThan(0);
    expect(costMicroUsd(sonar, { ...usage, inputTokens: 0, outputTokens: 0, reasoningTokens: 0 })).toBe(Math.ceil(sonar.requestPicoUsd / 1e6)); // prettier-ignore
  });

  test('is refused with every mistake of the file at once: model, key, value and what would be right', () => {
    const ok = { inputUsdPerMillion: 1, outputUsdPerMillion: 2 };
    const { type, message } = refusalOf(() =>
      read({
        a: [],
        b: [{ ...ok, from: '2026-10-02' }, { ...ok, from: '2026-10-01' }, { ...ok }],
        c: { ...ok, from: '2026-10-01' },
        d: { ...ok, requestUsd: 1_001, imageUsd: 1 },
        e: 7,
        'f g': ok,
        h: [{ ...ok, from: '2026-02-30' }, { inputUsdPerMillion: null, outputUsdPerMillion: 1e7, from: 'May' }], // prettier-ignore
      }),
    );
    expect(type).toBe(failureType.settingsRejected);
    for (const part of [
      'prices.json has 12 mistakes:\n  - "a" is',
      '"a" is a list of 0 prices; it must have 1 to 2000 (`pricesPerModelMax`)',
      '"b"[1].from is no later than the one before it',
      '"b"[2].from is missing; it must be a day in UTC',
      '"c".from is for prices in a list',
      '"d".requestUsd is 1001; it must be a number of US dollars from 0 to 1000 (`priceUsdPerRequestMax`)',
      '"d".imageUsd is not known; known are inputUsdPerMillion,',
      '"e" is 7; it must be an object, or a list of dated ones',
      '"f g" is no model\'s name',
      '"h"[0].from is "2026-02-30"; it names no moment that there is',
      '"h"[1].from is "May"',
      '"h"[1].inputUsdPerMillion is null',
      '"h"[1].outputUsdPerMillion is 10000000; it must be a number of US dollars from 0 to 1000000 (`priceUsdPerMillionTokensMax`)',
    ])
      expect(message).toContain(part);
    for (const whole of [[], 'x', null])
      expect(refusalOf(() => read(whole)).message).toContain('the whole is');
  });
});

describe('a moment that a person wrote', () => {
  test('is a day in UTC or an instant with its zone, and nothing that means another time elsewhere', () => {
    for (const [text, iso] of [
      ['2026-10-01', '2026-10-01T00:00:00.000Z'],
      ['2024-02-29', '2024-02-29T00:00:00.000Z'],
      ['2026-10-01T12:00Z', '2026-10-01T12:00:00.000Z'],
      ['2026-10-01T00:30:00+02:00', '2026-09-30T22:30:00.000Z'],
    ])
      expect(readMoment(text)).toEqual({ at: new Date(iso as string) });
    for (const wrong of [
      '2026-10-01T12:00',
      '2026-02-29',
      '2026-13-01',
      '2026-10-01T25:00Z',
      '1 Oct 2026',
      '',
      '10/1/2026',
      7,
      null,
      new Date('x'),
    ])
      // prettier-ignore
      expect([wrong, readMoment(wrong)]).toEqual([wrong, { problem: expect.any(String) }]);
  });
});

describe('a model without a price', () => {
  const app = asApp(
    defineApp({
      agents: [
        defineAgent({ name: 'clerk', instructions: 'x', model: 'gpt-4o-mini', fallbackModels: ['gpt-4o-minni'] }), // prettier-ignore
        defineAgent({ name: 'porter', instructions: 'x', model: 'zork-7b-local' }),
        defineAgent({ name: 'guest', instructions: 'x' }),
      ],
    }),
  );

  test('refuses the worker before it begins: every agent and model, names near it, the file and what to add', () => {
    const { type, message } = refusalOf(
      () =>
      refuseUnpriced(app, { modelDefault: 'mine', pricesFile: '/etc/prices.json', prices: read({ mine: [{ from: '2099-01-01', inputUsdPerMillion: 1, outputUsdPerMillion: 1 }] }) }), // prettier-ignore
    );
    expect(type).toBe(failureType.modelUnpriced);
    expect(message).toContain('3 models have no price');
    expect(message).toContain('agent `clerk`: model `gpt-4o-minni` (names near it: `gpt-4o-mini`');
    expect(message).toContain('agent `porter`: model `zork-7b-local`\n');
    expect(message).toContain(
      'agent `guest`: model `mine`, whose first price begins at 2099-01-01',
    );
    expect(message).toContain('Add to /etc/prices.json');
    // What it says to add is what makes it start: an entry, and an earlier price in the list that is there.
    const toAdd = message.slice(message.indexOf('{\n'));
    expect(toAdd).not.toContain('mine');
    const earlier = /list that \/etc\/prices\.json has for "mine", .*\n(?<entry> .*),\n/.exec(
      message,
    );
    const { prices: both } = { prices: { ...priceOverridesFrom(toAdd, 'x'), mine: [JSON.parse(earlier?.groups?.['entry'] ?? '') as DatedOverridePrice] } }; // prettier-ignore
    expect(() => refuseUnpriced(app, { modelDefault: 'mine', prices: read(both) })).not.toThrow();
  });

  test('is told by the list of prices as well, beside those that have one', () => {
    const settings = { logLevel: 'warn' as const, callsAtOnce: 1, prices: read({ mine: { inputUsdPerMillion: 1, outputUsdPerMillion: 2, requestUsd: 0.01 } }) }; // prettier-ignore
    const { prices, refusal } = listPrices(['mine', 'nobody-knows', 'claude-sonnet-4-5'], settings, at('2026-11-01')); // prettier-ignore
    expect(prices).toMatchObject([
      { model: 'mine', source: 'override', requestUsd: 0.01, tiers: [{ inputUsdPerMillion: 1, cachedInputUsdPerMillion: 1, outputUsdPerMillion: 2 }] }, // prettier-ignore
      { model: 'claude-sonnet-4-5', source: 'genai-prices 0.1.8', tiers: [{ inputUsdPerMillion: 3 }, { aboveInputTokens: 200_000, inputUsdPerMillion: 6 }] }, // prettier-ignore
    ]);
    expect(refusal).toContain('model `nobody-knows`');
    expect(refusal).toContain('"nobody-knows": { "inputUsdPerMillion"');
    for (const none of ['', 'a b'])
      expect(refusalOf(() => listPrices([none], settings, at('2026-11-01'))).message).toContain(
        `${JSON.stringify(none)}: no name of a model`,
      );
    expect(listPrices([], settings, at('2026-11-01')).prices.map(({ model }) => model)).toEqual(['mine', expect.stringContaining('stand-in')]); // prettier-ignore
  });
});
