/** What a run does about a budget that it shares with others: pure rules, and what a person gets to read. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { overBudget } from '../../activities/over-budget.ts';
import { budgetsOn, type SetBudget } from '../../client/budgets.ts';
import { usd } from '../../client/commands/amounts.ts';
import { costsOf } from '../../client/costs.ts';
import { throttlesOn } from '../../client/throttles.ts';
import type { OverBudget, RefusingBudget } from '../../contracts/budgets.ts';
import { limits } from '../../contracts/limits.ts';
import { refuseDecision } from '../../rules/judge-decision.ts';
import { refuseExtension } from '../../rules/judge-message.ts';
import { decideNextStep } from '../../rules/decide-next-step.ts';
import { firstState, type RunState, toCarried } from '../../rules/run-state.ts';
import * as change from '../../rules/transitions.ts';
import { viewRun } from '../../rules/view-run.ts';
import { aRun } from '../support/a-run.ts';

const next = (state: RunState, nowMs = 0) => decideNextStep(state, nowMs);
const over = (policy: OverBudget['policy'], more: Partial<OverBudget> = {}): OverBudget => ({
  kind: 'over-budget',
  rule: 7,
  budget: 'the budget of customer `acme` per day',
  policy,
  detail: 'Nothing is left.',
  ...(policy === 'wait' ? { waitMs: 1_000, waitMsMax: 5_000, resetsAt: 'midnight' } : {}),
  ...more,
});
/** The next model call of a run is started, and refused by a budget. */
function refused(state: RunState, output: OverBudget, nowMs = 0): RunState {
  const step = next(state, nowMs);
  if (step.kind !== 'call-model') throw new Error(`the run would ${step.kind}`);
  return change.afterOverBudget(change.afterModelStarted(state, step.position), step.position, output, nowMs); // prettier-ignore
}
function noted(state: RunState): RunState {
  return next(state).kind === 'note' ? noted(change.afterNoted(state)) : state;
}
const answered = (state: RunState, position: string): RunState =>
  change.afterModelReply(change.afterModelStarted(state, position), position, {
    kind: 'calls',
    transcript: { chain: 0, length: 2, head: 'h2', bytes: 20, tokens: 12 },
    cost: { costMicroUsd: 1, tokens: 1 },
    calls: [],
  });

describe('a call that a shared budget refuses', () => {
  test('stops the run, whatever the agent says about its own limits', () => {
    const state = refused(aRun({}, { escalate: ['budget'] }), over('stop'));
    expect(next(state)).toMatchObject({
      kind: 'end',
      outcome: { kind: 'stopped', because: 'budget-spent', detail: 'Nothing is left.' },
    });
  });

  test('waits until its window ends, says so once for each window, and is made at the same position', () => {
    let state = refused(aRun(), over('wait'), 100);
    expect(next(state, 100)).toMatchObject({ kind: 'note', note: { kind: 'budget.waiting', state: 'waiting', position: '1' } }); // prettier-ignore
    state = noted(state);
    expect(next(state, 100)).toEqual({ kind: 'wait', humansOnly: true, untilMs: 1_100 });
    expect(viewRun(state, 100).phase).toBe('waiting-for-budget');
    expect(next(state, 1_100)).toMatchObject({ kind: 'call-model', position: '1' });
    state = refused(state, over('wait'), 1_100);
    expect(state.notes).toEqual([]);
    expect(next(state, 1_100)).toMatchObject({ kind: 'wait', untilMs: 2_100 });
    state = refused(state, over('wait', { resetsAt: 'noon' }), 2_100);
    expect(state.notes).toHaveLength(1);
  });

  test('waits no longer than its bound in all, and stops then', () => {
    let state = noted(refused(aRun(), over('wait', { waitMs: 60_000 }), 0));
    expect(next(state, 0)).toMatchObject({ untilMs: 5_000 });
    state = noted(refused(state, over('wait', { waitMs: 60_000 }), 5_000));
    expect(next(state, 5_000)).toMatchObject({ kind: 'end', outcome: { because: 'budget-spent' } });
  });

  test('ends at the run’s deadline and with a halt, and a pause outlasts the window', () => {
    const waits = noted(refused(aRun({}, { deadlineMs: 500 }), over('wait')));
    expect(next(waits)).toMatchObject({ kind: 'wait', untilMs: 500 });
    expect(next(waits, 500)).toMatchObject({ kind: 'stop', because: 'deadline' });
    const halted = change.afterAbort(change.afterHalt(waits, { reason: 'x', by: 'y', flagged: true })); // prettier-ignore
    expect(next(halted)).toEqual({ kind: 'stop', because: 'halted', detail: 'x' });
    const open = noted(refused(aRun(), over('wait')));
    const paused = noted(change.afterPause(open, { reason: 'x', by: 'y' }));
    expect(next(paused, 10_000)).toEqual({ kind: 'wait', humansOnly: true });
    const resumed = change.afterResume(paused, { by: 'y' });
    expect(next(noted(resumed), 10_000)).toMatchObject({ kind: 'call-model' });
  });

  test('looks again at once when its budget was changed, also while the call was in flight', () => {
    const waits = noted(refused(aRun(), over('wait')));
    expect(next(change.afterBudgetChanged(waits))).toMatchObject({ kind: 'call-model' });
    const flying = change.afterBudgetChanged(change.afterModelStarted(aRun(), '1'));
    const told = change.afterOverBudget(flying, '1', over('wait'), 0);
    expect(next(noted(told))).toMatchObject({ kind: 'call-model', position: '1' });
    const again = refused(noted(told), over('wait'));
    expect(next(noted(again))).toMatchObject({ kind: 'wait', untilMs: 1_000 });
  });

  test('goes on waiting in the next execution, at the position where it was', () => {
    const state = noted(refused(aRun({ fallbacks: 1, modelIndex: 1 }), over('wait'), 100));
    const long = change.afterHistoryLong(state);
    expect(next(long, 100)).toEqual({ kind: 'continue-as-new' });
    const carried = firstState({ ...state.input, carried: toCarried(long, 200) }, 200);
    expect(next(carried, 200)).toMatchObject({ kind: 'wait', untilMs: 1_100 });
    expect(next(carried, 1_100)).toMatchObject({ kind: 'call-model', position: '1/fallback-1' });
  });

  test('is another call, at another position, with words that came while it waited', () => {
    const waits = noted(refused(aRun(), over('wait')));
    const steered = noted(change.afterSteer(waits, { text: 'Be brief.', by: 'ann' }));
    const step = next(steered, 1_000);
    expect(step).toMatchObject({ kind: 'call-model', position: '1/interrupt-1' });
    expect(next(noted(refused(steered, over('wait'), 1_000)), 2_000)).toMatchObject({
      position: '1/interrupt-1',
    });
  });

  test('is made with a cheaper model at a position of its own, and the next call tries the first again', () => {
    const counted = { ...aRun().transcript, tokens: 9 };
    let state = refused(aRun({ transcript: counted }), over('degrade', { model: 1 }));
    expect(next(state)).toMatchObject({ note: { kind: 'budget.degraded', body: { from: 'small', to: 'large' } } }); // prettier-ignore
    state = noted(state);
    expect(next(state)).toMatchObject({ model: 'large', position: '1/fallback-1' });
    // Of another model's tokenizer.
    expect(state.transcript.tokens).toBeUndefined();
    const done = answered(state, '1/fallback-1');
    expect(next(done)).toMatchObject({ model: 'small', position: '2' });
    expect(done.transcript.tokens).toBeUndefined();
    expect(answered(aRun(), '1').transcript.tokens).toBe(12);
  });

  test('whose cheaper model fails goes down the chain, and waits with the model that it was to have', () => {
    const three = { models: ['a', 'b', 'c'] };
    const failure = { type: 'ModelOverloaded', message: 'x', retryable: true };
    let state = noted(refused(aRun({}, three), over('degrade', { model: 1 })));
    state = change.afterModelFailure(change.afterModelStarted(state, '1/fallback-1'), '1/fallback-1', failure); // prettier-ignore
    expect(next(state)).toMatchObject({ model: 'c', position: '1/fallback-2' });
    expect(next(answered(state, '1/fallback-2'))).toMatchObject({ model: 'a', position: '2' });
    state = noted(refused(state, over('wait')));
    expect(next(state, 1_000)).toMatchObject({ model: 'a', position: '1/fallback-3' });
  });

  test('puts a question that approving answers by another try, extending by money, and denying by an end', () => {
    let state = refused(aRun({}, { depth: 1 }), over('ask', { customer: 'acme' }));
    expect(next(state)).toMatchObject({ kind: 'open-requests', requests: [{ position: '1/escalation', budget: { rule: 7, customer: 'acme' } }] }); // prettier-ignore
    state = change.afterRequestOpened(state, '1/escalation', 1_000);
    const said = { request: '1/escalation', argumentsHash: '', by: 'ann' };
    expect(refuseDecision(state, 'approve', said, 0)).toBeUndefined();
    expect(refuseExtension(state, { by: 'ann', costMicroUsd: 5 })).toBeUndefined();
    expect(refuseExtension(state, { by: 'ann', steps: 5 })).toMatch(/other runs share/);
    const decide = (verdict: 'approved' | 'denied' | 'expired'): RunState =>
      change.afterRequestClosed(
        change.afterRequestClosing(change.afterDecision(state, '1/escalation', { verdict, by: 'ann', via: 'update', reason: 'go' }), '1/escalation'), '1/escalation'); // prettier-ignore
    expect(next(decide('approved'))).toEqual({ kind: 'call-model', position: '1', model: 'small', entries: [] }); // prettier-ignore
    for (const verdict of ['denied', 'expired'] as const)
      expect(next(decide(verdict))).toMatchObject({ outcome: { because: 'budget-spent' } });
    state = change.afterExtension(state, { by: 'ann', costMicroUsd: 5 }, 'update');
    expect(next(state)).toMatchObject({ extension: { budget: { rule: 7, customer: 'acme' } } });
    const raised = change.afterExtended(state);
    expect(raised.limits).toEqual(state.limits);
    expect(next(raised)).toMatchObject({ requests: [{ decision: { verdict: 'extended' } }] });
  });

  test('never makes a run that was told to stop go on, and never waits in the past', () => {
    const policy = fc.constantFrom('stop' as const, 'ask' as const, 'wait' as const, 'degrade' as const); // prettier-ignore
    const holds = fc.property(fc.array(fc.tuple(policy, fc.nat(9_000), fc.boolean())), (steps) => {
      let state = aRun({}, { models: ['a', 'b', 'c'] });
      let nowMs = 0;
      return steps.every(([each, laterMs, halts]) => {
        nowMs += laterMs;
        state = noted(state);
        if (next(state, nowMs).kind !== 'call-model') return true;
        const before = change.afterModelStarted(state, 'p');
        const flying = halts ? change.afterHalt(before, { reason: 'x', by: 'y' }) : before;
        state = change.afterOverBudget(flying, 'p', over(each, { model: 1 }), nowMs);
        const step = next(halts ? state : noted(state), nowMs);
        if (halts) return step.kind === 'raise-flag';
        return step.kind !== 'wait' || (step.untilMs ?? Infinity) > nowMs;
      });
    });
    expect(fc.check(holds)).toMatchObject({ failed: false });
  });
});

const refusing: RefusingBudget = {
  agent: null,
  customer: 'acme',
  per: 'hour',
  rule: 1,
  policy: 'stop',
  microUsdLeft: 40,
  tokensLeft: null,
  ceilingMicroUsd: 1_000,
  ceilingTokens: null,
  spentMicroUsd: 900,
  spentTokens: 5,
  reservedMicroUsd: 60,
  reservedTokens: 5,
  endsAt: '2026-01-01T01:00:00Z',
  resetMs: 600_000,
  waitMs: null,
  crowded: false,
  hopeless: false,
};
const wanted = { reservedMicroUsd: 100, reservedTokens: 10, cheaper: () => 2 };

describe('what a refusal says', () => {
  test('names the budget, its period, and the amounts', () => {
    expect(overBudget(refusing, wanted)).toMatchObject({
      policy: 'stop',
      detail:
        'The next call may take 100 micro-dollars; 40 of 1000 are left under the budget of customer `acme` per hour until 2026-01-01T01:00:00Z (calls in flight hold 60).',
    });
  });

  test('waits for the window, for a while where only calls in flight are in the way, and not at all in vain', () => {
    const waiting = { ...refusing, policy: 'wait' as const };
    const waitMs = (budget: RefusingBudget) => overBudget(budget, wanted).waitMs ?? 0;
    expect(waitMs(waiting)).toBeGreaterThanOrEqual(600_000);
    expect(waitMs(waiting)).toBeLessThanOrEqual(600_000 + limits.budgetWakeSpreadMs);
    expect(waitMs({ ...waiting, crowded: true })).toBeLessThanOrEqual(limits.budgetCrowdedAgainMs + limits.budgetWakeSpreadMs); // prettier-ignore
    expect(overBudget({ ...waiting, hopeless: true }, wanted).policy).toBe('stop');
  });

  test('degrades where money is missing and a cheaper model is left, and stops else', () => {
    const degrade = { ...refusing, policy: 'degrade' as const };
    expect(overBudget(degrade, wanted)).toMatchObject({ policy: 'degrade', model: 2 });
    expect(overBudget(degrade, { ...wanted, cheaper: () => undefined }).policy).toBe('stop');
    const tokens = { ...degrade, microUsdLeft: null, tokensLeft: 3, ceilingTokens: 9 };
    expect(overBudget(tokens, wanted)).toMatchObject({
      policy: 'stop',
      detail: expect.stringContaining('10 tokens; 3 of 9'),
    });
  });
});

/** Neither store is asked here: what nobody could mean is refused before. */
const budgets = budgetsOn({ by: 'ann' } as never);
const good = { customer: 'acme', per: 'day', costUsd: 1 } as const;

test.each<[Partial<Record<keyof SetBudget, unknown>>, string]>([
  [{ per: 'week' }, '`per` is `week`; it must be one of run, hour, day, month'],
  [{ costUsd: 0 }, '`costUsd` is 0; it must be a number from 0.000001 to 1000000000'],
  [{ costUsd: 1e10 }, '`costUsd` is 10000000000'],
  [{ costUsd: Number.NaN }, '`costUsd` is NaN'],
  [{ costUsd: undefined }, 'it needs an amount'],
  [{ tokens: 1.5 }, '`tokens` is 1.5; it must be a whole number'],
  [{ customer: '' }, '`customer` is an empty string'],
  [{ customer: 'x'.repeat(129) }, '`customer` is a string of 129 characters'],
  [{ customer: undefined }, 'it needs an `agent`, a `customer`, both, or `installation: true`'],
  [{ installation: true }, '`installation` is for everything'],
  [{ onExhaustion: 'explode' }, '`onExhaustion` is `explode`'],
  [{ onExhaustion: 'wait', per: 'run' }, 'nothing can wait for it'],
  [
    { onExhaustion: 'wait', waitMax: '32 days' },
    '`waitMax` "32 days" is longer than `budgetWaitMsMax`',
  ],
  [{ waitMax: '1 hour' }, '`waitMax` is for budgets whose `onExhaustion` is wait'],
  [{ thresholds: [80, 50] }, '`thresholds` must be at most 10 whole per cents'],
  [{ thresholds: [101] }, '`thresholds` must be'],
  [{ thresholds: [50], per: 'run' }, 'a budget per run has none'],
  [{ limit: 5 } as never, '`limit` is not an option'],
  [{ by: 5, reason: 6 }, '2 mistakes'],
])('a budget of %j is refused: %s', async (wrong, because) => {
  await expect(budgets.set({ ...good, ...wrong } as unknown as SetBudget)).rejects.toMatchObject({
    type: 'InputRejected',
    message: expect.stringContaining(because),
  });
});

test('a budget per run and one of each customer are raised where they are, and not as a whole', async () => {
  await expect(budgets.extend({ ...good, per: 'run' })).rejects.toThrow('`run.extendBudget`');
  await expect(budgets.extend({ ...good, customer: '*' })).rejects.toThrow('name the customer');
  await expect(budgets.extend({ per: 'day', customer: 'acme' })).rejects.toThrow('needs an amount');
  await expect(budgets.show({ custmer: 'x' } as never)).rejects.toThrow('`custmer` is not an option'); // prettier-ignore
});

test('a text that no row could hold is refused before anything, by budgets, throttles and costs', async () => {
  // A database would be a mistake: nothing may be asked of it.
  const parts = { database: undefined as never, by: 'ann' };
  const [budgets, throttles] = [budgetsOn(parts), throttlesOn(parts)];
  for (const customer of ['a\0', 'a\ud800'])
    for (const act of [
      () => budgets.set({ customer, per: 'day', costUsd: 1 }),
      () => budgets.show({ customer }),
      () => budgets.history({ customer }),
      () => budgets.remove({ customer: 'a', per: 'day', reason: customer }),
      () => throttles.set({ customer, runs: 1 }),
      () => throttles.history({ customer }),
      () => costsOf(parts, { customer }),
    ])
      await expect(act()).rejects.toMatchObject({
        type: 'InputRejected',
        message: expect.stringContaining('cannot be stored'),
      });
  // Said once, though it is there twice.
  await expect(costsOf(parts, { by: ['' as never, '' as never] })).rejects.toThrow(
    /^`costs`: `by` names an empty string/,
  );
  expect([usd(-538), usd(0), usd(-20_000)]).toEqual(['-$0.000538', '$0.0000', '-$0.0200']);
});
