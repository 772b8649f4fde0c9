import { expect, test } from 'vitest';
import { chooseBuilds } from '../../rules/choose-builds.ts';
import { missingFunctions } from '../../rules/missing-functions.ts';

const runs = Array.from({ length: 10_000 }, (_, number) => `clerk-${number}`);
const shareOf = (percent: number): number => {
  const routing = { current: 'one', ramping: { buildId: 'two', percent } };
  return runs.filter((run) => chooseBuilds(routing, run)[0] === 'two').length / 100;
};

test('all starts go to the current build, and none to a build with a ramp of nothing', () => {
  expect(chooseBuilds({ current: 'one' }, 'clerk-1')).toEqual(['one']);
  expect(chooseBuilds({ current: 'one', ramping: { buildId: 'two', percent: 0 } }, 'x')).toEqual([
    'one',
  ]);
  expect(chooseBuilds({}, 'clerk-1')).toEqual([]);
});

test('a ramp gets its percent of the starts, the same runs each time, and more of them as it grows', () => {
  expect(shareOf(100)).toBe(100);
  for (const percent of [1, 10, 50]) {
    expect(shareOf(percent)).toBeGreaterThan(percent * 0.8);
    expect(shareOf(percent)).toBeLessThan(percent * 1.2);
  }
  const at = (percent: number) =>
    runs.filter(
      (run) =>
        chooseBuilds({ current: 'one', ramping: { buildId: 'two', percent } }, run)[0] === 'two',
    );
  const wide = new Set(at(50));
  expect(at(10).every((run) => wide.has(run))).toBe(true);
});

test('a start may go to the other build where the first lacks the agent', () => {
  const routing = { current: 'one', ramping: { buildId: 'two', percent: 50 } };
  for (const run of runs.slice(0, 100))
    expect(chooseBuilds(routing, run).toSorted()).toEqual(['one', 'two']);
  // Workers without a deployment take the rest.
  const alone = { ramping: { buildId: 'two', percent: 50 } };
  expect(runs.some((run) => chooseBuilds(alone, run).length === 0)).toBe(true);
});

test('a build that lacks a function of a run’s definition is no place for the run', () => {
  const own = { functions: ['tool.pay.run', 'tool.pay.verify'] };
  expect(missingFunctions(own, { functions: ['tool.pay.run'] })).toEqual(['tool.pay.verify']);
  expect(missingFunctions(own, { functions: [...own.functions, 'tool.more.run'] })).toEqual([]);
});
