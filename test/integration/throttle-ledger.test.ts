/** Rates and calls in flight at the statements that claim and close: minutes by a clock that is moved. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { throttlesOn, type Throttles } from '../../client/throttles.ts';
import type { RefusingThrottle } from '../../contracts/throttles.ts';
import { slowProvider, takeProviderTurn } from '../../storage/throttles.ts';
import { type BudgetLedger, type RowRun, startBudgetLedger } from '../support/budget-ledger.ts';
import { throttleClockAt } from '../support/throttle-clock.ts';

let ledger: BudgetLedger;
let throttles: Throttles;
beforeAll(async () => {
  ledger = await startBudgetLedger();
  throttles = throttlesOn({ database: ledger.database, by: 'tester' });
});
afterAll(() => ledger?.stop());

const at = (ms: number) => throttleClockAt(ledger.database, 1_800_000_000_000 + ms);
const runsOf = (customer: string, count: number): Promise<RowRun[]> =>
  Promise.all(Array.from({ length: count }, () => ledger.aRun('clerk', customer)));
const minute = 60_000;
/** The most of these moments that lie within any 60 seconds. */
const mostInAMinute = (moments: readonly { ms: number; weight: number }[]): number =>
  Math.max(...moments.map(({ ms: from }) => moments.filter(({ ms }) => ms >= from && ms < from + minute).reduce((sum, { weight }) => sum + weight, 0))); // prettier-ignore

/** Every run asks as soon as its turn has come, and ends at once: when each was claimed, and how often it asked. */
async function carryOut(runs: readonly RowRun[], tokens: { reserve: number; used?: number }) {
  const claims: { ms: number; weight: number; asked: number }[] = [];
  const waiting = runs.map((run) => ({ run, ms: 0, asked: 0 }));
  while (waiting.length > 0) {
    waiting.sort((a, b) => a.ms - b.ms);
    const next = waiting[0] as (typeof waiting)[number];
    await at(next.ms);
    next.asked += 1;
    const opened = await next.run.open('1', 'w', { reserveTokens: tokens.reserve });
    if (opened.verdict === 'budget') {
      next.ms += (opened.answer as RefusingThrottle).turnMs ?? Infinity;
      continue;
    }
    expect(opened.verdict).toBe('claimed');
    claims.push({ ms: next.ms, weight: tokens.used ?? 1, asked: next.asked });
    // A reply says 3 tokens of usage only where its journal does; here the attempt says what it used.
    await ledger.ledger.closeModelCall({
      runNo: opened.run_no,
      position: '1',
      attempt: opened.attempt,
      token: 'w',
      outcome: 'failed',
      costMicroUsd: 1,
      tokens: tokens.used ?? 1,
      journal: tokens.used === undefined ? {} : { input_tokens: tokens.used, output_tokens: 0 },
      event: {},
    });
    waiting.shift();
  }
  return claims;
}

test('requests: in no 60 seconds more than the limit, nine tenths of it without end, and each call waits once', async () => {
  for (const [customer, limit] of [
    ['few', 3],
    ['some', 30],
  ] as const) {
    await throttles.set({ customer, requestsPerMinute: limit });
    const claims = await carryOut(await runsOf(customer, limit * 3), { reserve: 10 });
    expect(mostInAMinute(claims)).toBeLessThanOrEqual(limit);
    expect(mostInAMinute(claims)).toBeGreaterThanOrEqual(limit * 0.9);
    expect(Math.max(...claims.map(({ ms }) => ms))).toBeLessThanOrEqual((3 * minute) / 0.9);
    expect(Math.max(...claims.map(({ asked }) => asked))).toBeLessThanOrEqual(2);
  }
});

test('tokens: in no 60 seconds more is used than the limit, and what a worst case did not need comes back', async () => {
  await throttles.set({ customer: 'whole', tokensPerMinute: 4_000 });
  const whole = await carryOut(await runsOf('whole', 30), { reserve: 400, used: 400 });
  expect(mostInAMinute(whole)).toBeLessThanOrEqual(4_000);
  // One that needs a tenth of its worst case each time: ten times as many.
  await throttles.set({ customer: 'part', tokensPerMinute: 4_000 });
  const part = await carryOut(await runsOf('part', 30), { reserve: 400, used: 40 });
  expect(mostInAMinute(part)).toBeLessThanOrEqual(4_000);
  const took = (claims: readonly { ms: number }[]) => Math.max(...claims.map(({ ms }) => ms));
  expect(took(part)).toBeLessThan(took(whole) / 3);
});

test('in flight: of 40 that claim at once exactly so many do, a call that is taken over keeps its place, and an end makes room', async () => {
  await at(10 * minute);
  await throttles.set({ customer: 'crowd', modelCalls: 3 });
  const runs = await runsOf('crowd', 40);
  const opened = await Promise.all(runs.map((run) => run.open('1', 'first')));
  const claimed = runs.flatMap((run, index) => opened[index]?.verdict === 'claimed' ? [{ run, open: opened[index] }] : []); // prettier-ignore
  expect(claimed).toHaveLength(3);
  const refused = opened.find(({ verdict }) => verdict === 'budget')?.answer;
  expect(refused).toMatchObject({ what: 'model-calls', max: 3, customer: 'crowd', whose: 'crowd' });
  // Its worker died; another takes it over.
  const [first] = claimed as [(typeof claimed)[number]];
  const again = await first.run.open('1', 'second');
  expect(again).toMatchObject({ verdict: 'claimed', attempt: 2 });
  const [late] = runs.filter((run) => !claimed.some((each) => each.run === run)) as [RowRun];
  expect((await late.open('1', 'first')).verdict).toBe('budget');
  await first.run.fail(again, '1', 'second');
  expect((await late.open('1', 'first')).verdict).toBe('claimed');
  // The end of a run ends its calls, wherever their worker is.
  const [, other] = claimed as [unknown, (typeof claimed)[number]];
  await ledger.ledger.closeRun(other.run.run, { outcome: { kind: 'stopped', because: 'halted', detail: '' }, steps: 0 }); // prettier-ignore
  const [, , next] = runs.filter((run) => !claimed.some((each) => each.run === run)) as [unknown, unknown, RowRun]; // prettier-ignore
  expect((await next.open('1', 'first')).verdict).toBe('claimed');
  expect((await throttles.show({ customer: 'crowd' }))[1]).toMatchObject({ modelCallsInFlight: 3 });
});

test('what costs nothing is not throttled, and neither is who has no throttle', async () => {
  await throttles.set({ customer: 'bound', requestsPerMinute: 1, modelCalls: 1 });
  const [first, free] = (await runsOf('bound', 2)) as [RowRun, RowRun];
  expect((await first.open('1', 'w')).verdict).toBe('claimed');
  expect((await free.open('1', 'w')).verdict).toBe('budget');
  expect((await free.open('1', 'w', { reserveMicroUsd: 0, reserveTokens: 0 })).verdict).toBe('claimed'); // prettier-ignore
  const [other] = (await runsOf('unbound', 1)) as [RowRun];
  expect((await other.open('1', 'w')).verdict).toBe('claimed');
});

test('a provider’s model: halved by one refusal of many, spaced, left alone while it asks for that, and free again in time', async () => {
  const { database } = ledger;
  const run = (n: number) => runs[n]?.run ?? '';
  const runs = await runsOf('asker', 6);
  const model = { provider: 'http://here/v1', model: 'm' };
  const refuse = (worker: string, more: { agoMs?: number; retryAfterMs?: number } = {}) =>
    slowProvider(database, { ...model, worker, seenPerMinute: 120, agoMs: 100, retryAfterMs: 0, ...more }); // prettier-ignore
  const rate = async () => (await throttles.providers())[0]?.perMinute;
  const turn = (n: number) => takeProviderTurn(database, { ...model, run: run(n) });
  await at(20 * minute);
  expect(await turn(0)).toBeUndefined();
  for (let n = 0; n < 5; n += 1) await refuse('w1');
  expect(await rate()).toBe(60);
  // Another worker's share of what was refused.
  await refuse('w2');
  expect(await rate()).toBe(120);
  expect([await turn(0), await turn(1), await turn(2)]).toEqual([0, 500, 1_000]);
  expect(await takeProviderTurn(database, { ...model, model: 'other', run: run(3) })).toBeUndefined(); // prettier-ignore
  expect(await takeProviderTurn(database, { ...model, provider: 'http://there/v1', run: run(3) })).toBeUndefined(); // prettier-ignore
  await at(20 * minute + 600);
  expect([await turn(1), await turn(2)]).toEqual([0, 400]);
  // Half a minute later it is what was refused; refused again, it is halved, and left alone as it asks.
  await at(20.5 * minute);
  expect(await rate()).toBeCloseTo(240, 0);
  await refuse('w1', { retryAfterMs: 20_000 });
  expect(await rate()).toBeCloseTo(120, 0);
  expect(await turn(3)).toBe(20_000);
  await at(20.5 * minute + 20_000);
  expect(await turn(3)).toBe(0);
  await at(22 * minute + 1_000);
  expect(await turn(4)).toBeUndefined();
  expect(await throttles.providers()).toEqual([]);
});
