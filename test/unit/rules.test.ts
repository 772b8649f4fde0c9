import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  childRunId,
  fallbackPosition,
  isPosition,
  modelPosition,
  repairPosition,
  toolPosition,
  unknownPosition,
} from '../../contracts/positions.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { refuseDecision } from '../../rules/judge-decision.ts';
import { toHalt } from '../../rules/judge-message.ts';
import { narrowLimits } from '../../rules/to-run-input.ts';
import * as change from '../../rules/transitions.ts';
import { aRun, askedFor, call } from '../support/a-run.ts';

describe('canonical JSON', () => {
  test('is the same for equal values, whatever the order of their keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(canonicalJson({ b: 1, a: { d: undefined, c: [undefined, '\u2028'] } })).toBe(
      '{"a":{"c":[null,"\u2028"]},"b":1}',
    );
  });

  test('refuses what JSON cannot hold', () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    for (const value of [Number.NaN, Infinity, 1n, () => 1, Symbol('x'), circle])
      expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});

test('positions are spelled as they always will be', () => {
  const all = [
    [modelPosition(7), '7'],
    [repairPosition(7, 1), '7/repair-1'],
    [fallbackPosition('7', 1), '7/fallback-1'],
    [fallbackPosition('7/repair-1', 2), '7/repair-1-fallback-2'],
    [toolPosition(7, 1), '7.2'],
    [unknownPosition('7.2', 1), '7.2/unknown'],
    [unknownPosition('7.2', 2), '7.2/unknown-2'],
  ] as const;
  for (const [made, spelled] of all) {
    expect(made).toBe(spelled);
    expect(isPosition(made)).toBe(true);
  }
  expect(childRunId('run', '7.2')).toBe('run/7.2');
  for (const wrong of ['', '0', '7.', '.2', '7/', '7/Repair', 'x'])
    expect(isPosition(wrong)).toBe(false);
});

test('a start narrows limits and never widens them', () => {
  const own = {
    costMicroUsd: 10,
    tokens: 10,
    steps: 10,
    wallMs: 10,
    outputTokens: 1,
    contextTokens: 1,
    toolResultTokens: 1,
  };
  expect(narrowLimits(own, { limits: { costMicroUsd: 5, steps: 99 } })).toEqual({
    ...own,
    costMicroUsd: 5,
  });
});

describe('a decision', () => {
  const open = change.afterRequestOpened(
    change.afterAsking(askedFor(aRun(), call('pay', { ask: true }))),
    '1.1/approval',
    1_000,
  );
  const good = { request: '1.1/approval', argumentsHash: 'hash-pay', by: 'ann' };

  test('is taken while its request is open and it names the arguments', () => {
    expect(refuseDecision(open, 'approve', good, 999)).toBeUndefined();
  });

  test.each([
    [{ ...good, argumentsHash: 'x' }, /other arguments/],
    [{ ...good, request: '9.9/approval' }, /no open request/],
    [{ ...good, by: '' }, /characters/],
    [{ ...good, reason: 'x'.repeat(501) }, /reason/],
    [undefined as never, /needs/],
  ])('is refused with the reason: %j', (decision, reason) => {
    expect(refuseDecision(open, 'approve', decision, 0)).toMatch(reason);
  });

  test('is refused after the deadline, after another, and after a halt', () => {
    expect(refuseDecision(open, 'approve', good, 1_000)).toMatch(/deadline/);
    const decided = change.afterDecision(open, '1.1/approval', {
      verdict: 'denied',
      by: 'bob',
      via: 'update',
    });
    expect(refuseDecision(decided, 'approve', good, 0)).toMatch(/denied by bob/);
    expect(
      refuseDecision(change.afterHalt(open, { reason: 'r', by: 'b' }), 'approve', good, 0),
    ).toMatch(/halted/);
  });
});

test('a halt by raw signal is never refused for its wording', () => {
  expect(toHalt(undefined)).toEqual({
    reason: 'no reason given',
    by: 'whoever holds Temporal credentials',
    flagged: false,
  });
  expect(toHalt({ reason: 'x'.repeat(9_999), by: 7 as never }).reason).toHaveLength(500);
});
