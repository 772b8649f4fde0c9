import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toolCost } from '../../activities/tool-cost.ts';

test('what a tool reports is summed exactly and rounded up once, never below what it said', () => {
  const cost = toolCost('search');
  for (let i = 0; i < 1_000; i += 1) cost.add(0.000_000_1);
  expect(cost.microUsd()).toBe(100);
  const one = (usd: number): number => {
    const each = toolCost('search');
    each.add(usd);
    return each.microUsd();
  };
  expect([0, 1e-13, 0.0000019, 0.25, 8.2, 0.1 + 0.2].map(one)).toEqual([0, 1, 2, 250_000, 8_200_000, 300_000]); // prettier-ignore
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1_000, noNaN: true }), { maxLength: 20 }),
      (amounts) => {
        // prettier-ignore
        const all = toolCost('search');
        for (const usd of amounts) all.add(usd);
        const exact = amounts.reduce((sum, usd) => sum + usd, 0) * 1e6;
        expect(all.microUsd()).toBeGreaterThanOrEqual(exact * (1 - 1e-12));
        expect(all.microUsd()).toBeLessThan(exact * (1 + 1e-12) + 1.001);
      },
    ),
  );
});

test('what is no amount of dollars is refused by name, and nothing of it is counted', () => {
  const cost = toolCost('search');
  cost.add(0.5);
  for (const wrong of [-0.01, Number.NaN, Infinity, -Infinity, 1e12, '1', undefined, null, 1n])
    expect(() => cost.add(wrong as number)).toThrow(/Tool `search` reports a cost of .*from 0 to 1000000/); // prettier-ignore
  expect(cost.microUsd()).toBe(500_000);
});
