import { expect, test } from 'vitest';
import type { Duration } from '../../definitions/index.ts';
import { readDuration, toMilliseconds } from '../../definitions/internal.ts';

test.each<[Duration, number]>([
  ['20 seconds', 20_000],
  ['500ms', 500],
  ['2 hours', 7_200_000],
  ['30s', 30_000],
  ['1.5 minutes', 90_000],
  ['1 day', 86_400_000],
  [250, 250],
  [0, 0],
])('%s is %d ms', (duration, ms) => {
  expect(toMilliseconds(duration)).toBe(ms);
});

test.each([
  'soon',
  '',
  '20',
  '-1 second',
  '1 month',
  '1 toString',
  Number.NaN,
  -1,
  {},
  null,
  '1e3 s',
])('%s is no duration', (value) => {
  expect(() => toMilliseconds(value as Duration)).toThrow(/is not a duration; write '20 seconds'/);
});

test('a duration out of bounds is told with the bound', () => {
  const bounds = { maxMs: 2_000, maxName: 'nearToolMsMax' };
  expect(readDuration('3 seconds', bounds)).toEqual({
    problem: '"3 seconds" is longer than `nearToolMsMax` (2 seconds)',
  });
  expect(readDuration(0, bounds)).toEqual({ problem: '0 is shorter than 1 ms' });
});

test('a duration is checked by the compiler', () => {
  // @ts-expect-error fortnights are not understood
  const duration: Duration = '1 fortnight';
  expect(() => toMilliseconds(duration)).toThrow('"1 fortnight" is not a duration');
});
