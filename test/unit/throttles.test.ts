/** What a run does about a throttle: pure rules, and what a person gets to read. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lookAgainMs, throttled, untilTurn } from '../../activities/throttled.ts';
import { throttlesOn, type SetThrottle } from '../../client/throttles.ts';
import { limits } from '../../contracts/limits.ts';
import type { RefusingThrottle } from '../../contracts/throttles.ts';
import { decideNextStep } from '../../rules/decide-next-step.ts';
import { firstState, type RunState, toCarried } from '../../rules/run-state.ts';
import * as change from '../../rules/transitions.ts';
import { viewRun } from '../../rules/view-run.ts';
import { toAdmissionRefused } from '../../storage/admission-refused.ts';
import type { OpenedModelCall } from '../../storage/ledger.ts';
import { aRun } from '../support/a-run.ts';

const refusing = (more: Partial<RefusingThrottle> = {}): RefusingThrottle => ({
  rule: 3,
  customer: '*',
  whose: 'acme',
  what: 'requests',
  max: 60,
  turnMs: 5_000,
  ...more,
});
function refused(state: RunState, nowMs: number, more: Partial<RefusingThrottle> = {}): RunState {
  const step = decideNextStep(state, nowMs);
  if (step.kind !== 'call-model') throw new Error(`the run would ${step.kind}`);
  return change.afterOverBudget(change.afterModelStarted(state, step.position), step.position, throttled(refusing(more)), nowMs); // prettier-ignore
}

test('a throttled call waits for its turn, says so once, and is made at the same position', () => {
  let state = refused(aRun(), 100);
  expect(decideNextStep(state, 100)).toMatchObject({
    kind: 'note',
    note: { kind: 'model.throttled', position: '1', state: 'throttled', body: { throttle: 'the throttle of customer `acme`', detail: expect.stringContaining('60 requests a minute') } },
  }); // prettier-ignore
  state = change.afterNoted(state);
  expect(decideNextStep(state, 100)).toEqual({ kind: 'wait', humansOnly: true, untilMs: 5_100 });
  expect(viewRun(state, 100).phase).toBe('throttled');
  // Carried over to another execution, it is the same wait.
  state = firstState({ ...state.input, carried: toCarried(state, 200) }, 200);
  expect(viewRun(state, 200).phase).toBe('throttled');
  state = refused(state, 5_100, { what: 'rate', turnMs: 10 });
  expect(state.notes).toEqual([]);
  expect(decideNextStep(state, 5_110)).toMatchObject({ kind: 'call-model', position: '1' });
});

test('a call waits no longer than its bound in all, and one whose turn is beyond it does not wait', () => {
  const patient = { costMicroUsd: 1, tokens: 1, steps: 1, wallMs: Infinity };
  const waits = change.afterNoted(refused(aRun({}, { limits: patient }), 0, { turnMs: 1 }));
  const late = refused(waits, limits.throttleWaitMsMax);
  expect(decideNextStep(late, limits.throttleWaitMsMax)).toMatchObject({
    kind: 'end',
    outcome: { kind: 'stopped', because: 'throttled' },
  });
  const hopeless = refused(aRun(), 0, { turnMs: 90_000_000, hopeless: true });
  expect(decideNextStep(hopeless, 0)).toMatchObject({
    kind: 'end',
    outcome: { because: 'throttled', detail: expect.stringContaining('after 1500 minutes') },
  });
});

test('the more wait for a call in flight to end, the later each looks again, within bounds', () => {
  fc.assert(
    fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 1_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (waiting, max, random) => {
      const ms = lookAgainMs({ waiting, max }, random);
      expect(ms).toBeGreaterThanOrEqual(limits.throttleAgainMsMin / 2);
      expect(ms).toBeLessThanOrEqual(limits.throttleAgainMsMax);
      expect(lookAgainMs({ waiting: waiting + max * 10, max }, random)).toBeGreaterThanOrEqual(ms);
    }),
  ); // prettier-ignore
});

test('a turn that is near is waited for where the call is, and one that is far is not', async () => {
  const opened = (answer: RefusingThrottle | null) => ({
    opened: { verdict: answer === null ? 'claimed' : 'budget', answer } as OpenedModelCall,
  });
  let asked = 0;
  const ask = (): Promise<ReturnType<typeof opened>> => {
    asked += 1;
    return Promise.resolve(opened(null));
  };
  const cancelled = new AbortController().signal;
  expect((await untilTurn(opened(refusing({ turnMs: 5 })), ask, cancelled)).opened.verdict).toBe('claimed'); // prettier-ignore
  expect(asked).toBe(1);
  expect((await untilTurn(opened(refusing({ turnMs: 60_000 })), ask, cancelled)).opened.verdict).toBe('budget'); // prettier-ignore
  expect(asked).toBe(1);
});

test('a full queue is told with its numbers, whose it is, and what to do', () => {
  const full = { queue: 'customer', customer: 'acme', queued: 20_000, queuedOfAll: 20_500, queuedMax: 20_000, runsMax: 150 }; // prettier-ignore
  const told = toAdmissionRefused({ code: 'BL002', detail: JSON.stringify(full) }) as Error;
  expect(told).toMatchObject({ type: 'AdmissionRefused' });
  expect(told.message).toMatch(/^20000 runs of customer `acme` are queued already, behind 150 in flight; 20000 may queue\. Nothing was started\./); // prettier-ignore
  const other = { code: '23505' };
  expect(toAdmissionRefused(other)).toBe(other);
});

test('what does not fit is refused with every mistake, before anything is changed', async () => {
  const unused = new Proxy({}, { get: () => { throw new Error('nothing may be asked'); } }); // prettier-ignore
  const throttles = throttlesOn({ database: unused as never, by: 'tester' });
  const mistakes = async (given: unknown): Promise<string> =>
    throttles.set(given as SetThrottle).then(
      () => '',
      (error: unknown) => (error as Error).message,
    );
  expect(await mistakes({ runs: 5 })).toContain('either a `customer` or `installation: true`');
  expect(await mistakes({ customer: 'a', installation: true, runs: 5 })).toContain('either a `customer`'); // prettier-ignore
  expect(await mistakes({ customer: 'a' })).toContain('it needs an amount');
  const several = await mistakes({ customer: 'a', runs: 0, modelCalls: 1.5, requestsPerMinute: 1e9, speed: 3 }); // prettier-ignore
  for (const part of ['`runs` is 0', '`modelCalls` is 1.5', 'from 1 to 1000000', 'speed'])
    expect(several).toContain(part);
  expect(await mistakes(null)).toContain('it takes an object');
});
