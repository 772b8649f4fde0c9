/** How attempts of a tool are bounded and spaced, and how a circuit opens: without Temporal. */
import { afterEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { limits } from '../../contracts/limits.ts';
import { boundsOf, delayBeforeNext, isTooLate } from '../../activities/attempt-bounds.ts';
import { judgeEffect } from '../../activities/judge-effect.ts';
import { judgeReply } from '../../activities/judge-reply.ts';
import { callOf } from '../../activities/propose-fallback.ts';
import type { ToolCallAtHand } from '../../activities/tool-call-at-hand.ts';
import { createToolBreakers } from '../../activities/tool-breakers.ts';
import type { ToolOutcome } from '../../activities/tool-outcome.ts';
import { failedResult, okResult } from '../../activities/tool-result.ts';
import { defineAgent, defineTool } from '../../definitions/index.ts';

const retry = { attempts: 4, firstDelayMs: 100, factor: 2, maxDelayMs: 300 };
const call = { timeoutMs: 1_000, attemptsMax: 4, scheduledAtMs: 10_000 };
const input = z.object({ id: z.string() });
const base = { description: 'x', effect: 'read', input, run: () => 'ok' } as const;
const read = defineTool({ ...base, name: 'read' });
afterEach(() => vi.useRealTimers());

test('the delay grows to its most, and a random share of it is taken away', () => {
  const bounds = boundsOf(call, { retry }, 10_000);
  const delays = (random: number) =>
    [1, 2, 3, 4].map((made) => delayBeforeNext(bounds, made, { ms: 10_000, random }));
  expect(delays(0)).toEqual([100, 200, 300, undefined]);
  expect(delays(1)).toEqual([80, 160, 240, undefined]);
  const still = boundsOf(call, { retry, attempt: { jitter: 0 } }, 10_000);
  expect(delayBeforeNext(still, 1, { ms: 10_000, random: 1 })).toBe(100);
});

test('a wait for the circuit is at least as long, but never longer than the longest delay', () => {
  const bounds = boundsOf(call, { retry }, 10_000);
  const delay = (atLeastMs: number) =>
    delayBeforeNext(bounds, 1, { ms: 10_000, random: 0, atLeastMs });
  expect([50, 250, 9_000].map(delay)).toEqual([100, 250, 300]);
});

test('within the time of all attempts the last one has what is left, and none begins too late', () => {
  const attempt = { jitter: 0, totalMs: 1_500 };
  const bounds = (nowMs: number) => boundsOf(call, { retry, attempt }, nowMs);
  expect(bounds(10_000).timeoutMs).toBe(1_000);
  expect(bounds(11_000).timeoutMs).toBe(500);
  expect(bounds(12_000).timeoutMs).toBe(0);
  expect(isTooLate(bounds(11_300), 11_300)).toBe(false);
  expect(isTooLate(bounds(11_450), 11_450)).toBe(true);
  expect(delayBeforeNext(bounds(11_000), 1, { ms: 11_200, random: 0 })).toBe(100);
  expect(delayBeforeNext(bounds(11_000), 1, { ms: 11_350, random: 0 })).toBeUndefined();
});

const silent = { debug() {}, info: vi.fn<() => void>(), warn: vi.fn<() => void>(), error() {} };
const ok: ToolOutcome = { kind: 'ok', text: 'ok', costMicroUsd: 0 };
const failure: Extract<ToolOutcome, { kind: 'failed' }> = {
  kind: 'failed',
  code: 'failed',
  message: 'gone',
  retryable: true,
  nothingHappened: false,
  timedOut: false,
  detail: 'gone',
  costMicroUsd: 0,
};
const ill: ToolOutcome = { ...failure, service: 'ill' };
const numbers = { failuresMax: 3, openMs: 1_000, probeMs: 100 };

test('a circuit opens after failures in a row, is tried once, and closes with an answer', async () => {
  vi.useFakeTimers();
  const breaker = createToolBreakers(silent, numbers).of(read);
  if (breaker === undefined) throw new Error('a read has a breaker');
  const watch = (outcome: ToolOutcome) => breaker.watch(() => Promise.resolve(outcome));
  await watch(ill);
  await watch(ill);
  // Anything that is no sign of illness ends the row.
  await watch({ ...failure, code: 'order_not_found', retryable: false });
  for (let time = 0; time < 3; time += 1) {
    expect(breaker.refusesForMs()).toBe(0);
    await watch(ill);
  }
  expect(breaker.refusesForMs()).toBe(1_000);
  expect(silent.warn).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(400);
  expect(breaker.refusesForMs()).toBe(600);
  vi.advanceTimersByTime(600);
  let end: (outcome: ToolOutcome) => void = () => undefined;
  const probe = breaker.watch(() => new Promise((resolve) => (end = resolve)));
  expect(breaker.refusesForMs()).toBe(100);
  end(ill);
  await probe;
  expect(breaker.refusesForMs()).toBe(1_000);
  vi.advanceTimersByTime(1_000);
  await watch({ kind: 'halted', reason: 'x', costMicroUsd: 0 });
  expect(breaker.refusesForMs()).toBe(1_000);
  vi.advanceTimersByTime(1_000);
  await watch(ok);
  expect(breaker.refusesForMs()).toBe(0);
  expect(silent.info).toHaveBeenCalledOnce();
});

test('a call that was stopped says nothing of the service, and each tool has a circuit of its own', async () => {
  const breakers = createToolBreakers(silent, numbers);
  const one = breakers.of(read);
  const other = breakers.of(defineTool({ ...base, name: 'other' }));
  for (let time = 0; time < 2; time += 1) await one?.watch(() => Promise.resolve(ill));
  await one?.watch(() => Promise.resolve({ ...failure, service: 'unsaid' }));
  expect(one?.refusesForMs()).toBe(0);
  await one?.watch(() => Promise.resolve(ill));
  expect(one?.refusesForMs()).toBeGreaterThan(0);
  expect(other?.refusesForMs()).toBe(0);
  expect(breakers.of(read)).toBe(one);
  expect(breakers.of(defineTool({ ...base, name: 'sum', effect: 'none' }))).toBeUndefined();
});

const atHand = (more: {
  tool?: unknown;
  input?: object;
  arguments?: unknown;
  tokens?: number;
}): ToolCallAtHand =>
  ({
    call: { run: 'r' },
    input: { position: '1.1', id: 'c1', tool: 'read', argumentsHash: 'h', ...more.input },
    inputHash: 'i',
    tool: more.tool ?? read,
    agent: 'a',
    arguments: more.arguments ?? {},
    resultTokensMax: more.tokens ?? 1_000,
    bounds: boundsOf(call, { retry }, 10_000),
  }) as unknown as ToolCallAtHand;

test('an effect goes to another tool only where no earlier attempt is in doubt', async () => {
  const write = (repeat: 'keyed' | 'never') =>
    defineTool({ ...base, name: 'pay', effect: 'write', repeat: repeat as 'never' });
  const notDone: ToolOutcome = { ...failure, nothingHappened: true };
  const judge = (outcome: ToolOutcome, waysOut: boolean, unsettled = false) =>
    judgeEffect(
      atHand({ tool: write('keyed'), input: waysOut ? { waysOut: true } : {} }),
      outcome,
      { delayMs: undefined, hasUnsettled: () => Promise.resolve(unsettled) },
    );
  expect(await judge(notDone, true)).toEqual({ state: 'open', next: 'escalate' });
  expect(await judge(notDone, true, true)).toEqual({ state: 'unknown', next: 'ask' });
  expect(await judge(notDone, false, true)).toEqual({ state: 'done', next: 'ask' });
  // What the tool's author calls final is an answer for the model.
  expect(await judge({ ...notDone, retryable: false }, true)).toEqual({
    state: 'done',
    next: 'ask',
  });
  // An attempt that Belayer did not send says nothing of those before.
  expect((await judge({ ...notDone, notSent: true }, false, true)).state).toBe('unknown');
  // It happened: with a way to a human its answer can be given, without one the model is told.
  const happened: ToolOutcome = { ...failure, code: 'bad_output', happened: true };
  expect((await judge(happened, true)).state).toBe('unknown');
  expect((await judge(happened, false)).state).toBe('done');
  expect((await judge({ ...failure, notAgain: true }, false)).next).toBe('ask');
});

test('the model is told which arguments ran, and in whose place a tool ran', () => {
  const changed = atHand({
    input: { edited: '1.1/approval', instead: { tool: 'pay', code: 'timeout' } },
    arguments: { id: 'B' },
  });
  const contentOf = (fragment: string) =>
    (JSON.parse(fragment) as { readonly content: string }).content;
  expect(contentOf(okResult(changed, ok).fragment)).toBe(
    '[pay failed (timeout); read ran instead]\n[a human changed the arguments to {"id":"B"}]\nok',
  );
  const told = contentOf(failedResult(changed, { ...failure, hint: 'Wait.' }, 2).fragment);
  expect(JSON.parse(told)).toMatchObject({
    error: {
      code: 'failed',
      attempts: 2,
      hint: 'pay failed (timeout); read ran instead. a human changed the arguments to {"id":"B"}. Wait.',
    },
  });
  const long = atHand({
    input: { edited: '1.1/approval' },
    arguments: { id: 'x'.repeat(5_000) },
    tokens: 100,
  });
  const cut = contentOf(okResult(long, { ...ok, text: 'y'.repeat(5_000) } as typeof ok).fragment);
  expect(cut).toContain('y'.repeat(200));
  expect(cut.length).toBeLessThan(limits.inlineTextBytesMax + 400);
});

test('a model that names a tool which only serves as a fallback is told that there is none', async () => {
  const pay = defineTool({ ...base, name: 'pay', fallback: [{ tool: read }] });
  const agent = defineAgent({ name: 'a', instructions: 'x', tools: [pay] });
  const judged = await judgeReply(agent, {
    text: '',
    toolCalls: [{ id: 'c1', name: 'read', argumentsText: '{"id":"A"}' }],
  } as never);
  expect(judged).toMatchObject({
    kind: 'calls',
    calls: [{ tool: 'read', error: { code: 'unknown_tool', hint: 'Tools: pay' } }],
  });
});

test('a fallback’s arguments are made from the failed call, and must fit', async () => {
  const mail = defineTool({
    ...base,
    name: 'mail',
    input: z.object({ to: z.string() }),
    approval: ({ to }) => to === 'boss',
  });
  const pay = defineTool({ ...base, name: 'pay' });
  const made = async (id: string, map?: (failed: unknown) => unknown) =>
    (
      await callOf(
        pay,
        { tool: mail, ...(map === undefined ? {} : { input: map }) },
        { id: 'c1', written: JSON.stringify({ id }) },
      )
    ).call;
  const toMail = (failed: unknown) => ({ to: (failed as { id: string }).id });
  expect(await made('A', toMail)).toMatchObject({
    id: 'c1',
    tool: 'mail',
    arguments: '{"to":"A"}',
  });
  expect(await made('boss', toMail)).toMatchObject({ ask: true });
  expect(await made('A')).toMatchObject({
    error: {
      code: 'bad_arguments',
      message: expect.stringContaining('could not be made') as string,
    },
  });
  const thrown = await made('A', () => {
    throw new Error('no address');
  });
  expect(thrown.error?.message).toBe(
    'Tool pay failed, and the arguments of its fallback mail could not be made: no address',
  );
  expect((await made('A', () => undefined)).error?.code).toBe('bad_arguments');
});
