/** Which model a step is given, and what becomes of that: pure rules. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentRunInput, CallModelOutput } from '../../contracts/agent-run.ts';
import { isPosition } from '../../contracts/positions.ts';
import { decideNextStep, type NextStep } from '../../rules/decide-next-step.ts';
import { toForkCarried } from '../../rules/fork-state.ts';
import { firstState, type RunState, toCarried } from '../../rules/run-state.ts';
import * as change from '../../rules/transitions.ts';
import { aRun, askedFor, call, done } from '../support/a-run.ts';

const tiered: Partial<AgentRunInput> = {
  models: ['nano', 'mid', 'big', 'spare'],
  tiers: ['small', 'medium', 'large'],
  limits: { costMicroUsd: 1_000_000, tokens: 1_000_000, steps: 50, wallMs: 60_000 },
  clock: 'events',
};
const cascade = { ...tiered, cascade: { from: 0 } };
const cost = { costMicroUsd: 2, tokens: 3 };
const transcript = { chain: 0, length: 2, head: 'h2', bytes: 20, tokens: 9 };
const rejected: CallModelOutput = { kind: 'rejected', cost, because: 'misfit: no JSON' };
const failure = { type: 'ModelOverloaded', message: 'down', retryable: true };

type ModelStep = Extract<NextStep, { readonly kind: 'call-model' }>;
function asks(state: RunState): ModelStep {
  const step = decideNextStep(state, 0);
  if (step.kind !== 'call-model') throw new Error(`the run would ${step.kind}`);
  return step;
}
const started = (state: RunState): RunState => change.afterModelStarted(state, asks(state).position); // prettier-ignore
const answered = (
  state: RunState,
  output: Parameters<typeof change.afterModelReply>[2],
): RunState => change.afterModelReply(started(state), asks(state).position, output);
const failed = (state: RunState): RunState =>
  change.afterModelFailure(started(state), asks(state).position, failure);

describe('tiers', () => {
  test('without a route or a cascade the first is used, and nothing is rejected', () => {
    expect(asks(aRun({}, tiered))).toEqual({
      kind: 'call-model',
      position: '1',
      model: 'nano',
      entries: [],
      choice: 'first tier',
    });
  });

  test('say nothing of an agent that has none', () => {
    expect(asks(aRun())).toEqual({
      kind: 'call-model',
      position: '1',
      model: 'small',
      entries: [],
    });
  });

  test('that cannot be reached give way to the next, then to the fallbacks, for the rest of the run', () => {
    const second = failed(aRun({}, tiered));
    expect(asks(second)).toMatchObject({ position: '1/fallback-1', model: 'mid', choice: 'fallback: small failed with ModelOverloaded' }); // prettier-ignore
    const fourth = failed(failed(second));
    expect(asks(fourth)).toMatchObject({ position: '1/fallback-3', model: 'spare' });
    expect(failed(fourth).ending?.outcome).toMatchObject({ kind: 'failed' });
    const later = answered(fourth, { kind: 'calls', transcript, cost, calls: [] });
    expect(asks(later)).toMatchObject({ position: '2', model: 'spare', choice: 'fallback: small could not be reached before' }); // prettier-ignore
  });

  test('are all tried again where a human says so', () => {
    const asked = [1, 2, 3, 4].reduce(failed, aRun({}, { ...tiered, escalate: ['model'] }));
    const [request] = asked.requests;
    const decision = { verdict: 'approved', by: 'ann', via: 'update' } as const;
    const again = change.afterRequestClosed(
      change.afterRequestClosing(change.afterDecision(change.afterRequestOpened(asked, request?.position ?? '', 9), request?.position ?? '', decision), request?.position ?? ''), // prettier-ignore
      request?.position ?? '',
    );
    expect(asks(again)).toMatchObject({ position: '1', model: 'nano' });
  });
});

describe('a route', () => {
  const routed = { ...tiered, route: true as const };

  test('is asked before the step with what the run has seen, and only once for it', () => {
    const first = decideNextStep(aRun({}, routed), 0);
    expect(first).toEqual({
      kind: 'route',
      position: '1/route',
      facts: { step: 1, promptTokens: 3, toolCalls: [], toolErrors: 0, spentMicroUsd: 0 },
    });
    const state = change.afterRouted(aRun({}, routed), { tier: 1, because: 'long' });
    expect(asks(state)).toMatchObject({ position: '1', model: 'mid', choice: 'route: long' });
    const waited = answered(failed(state), { kind: 'misfit', transcript, cost, problem: 'x' });
    // The repair goes to the model that is to mend it.
    expect(asks(waited)).toMatchObject({ position: '1/repair-1', model: 'big' });
  });

  test('is told the tools of the step before, their failures, and who gave the last reply', () => {
    const state = change.afterRouted(aRun({}, routed), { tier: 2 });
    let next = answered(state, { kind: 'calls', transcript, cost, calls: [call('read'), call('read'), call('nothing', { error: { code: 'unknown_tool', message: 'none', retryable: false, attempts: 0 } })] }); // prettier-ignore
    next = change.afterToolResult(change.afterToolStarted(next, '1.1'), '1.1', done());
    next = change.afterToolResult(change.afterToolStarted(next, '1.2'), '1.2', { ...done(), status: 'failed' } as never); // prettier-ignore
    // Before it continues as new, where nothing of that is carried.
    expect(decideNextStep(change.afterHistoryLong(next), 0)).toEqual({
      kind: 'route',
      position: '2/route',
      facts: {
        step: 2,
        // 9 that were counted, and the results: 5 and 5 bytes, and 4 of the refusal.
        promptTokens: 9 + Math.ceil(14 / 4),
        lastModel: 'large',
        toolCalls: ['read', 'read', 'nothing'],
        toolErrors: 2,
        spentMicroUsd: 2,
      },
    });
    const again = change.afterRouted(change.afterHistoryLong(next), { tier: 0 });
    expect(decideNextStep(again, 0)).toEqual({ kind: 'continue-as-new' });
    const carried = firstState({ ...next.input, carried: toCarried(again, 0) }, 0);
    expect(asks(carried)).toMatchObject({ position: '2', model: 'nano', choice: 'route' });
  });

  test('that says nothing leaves it to the cascade, from where that begins', () => {
    const input = { ...routed, cascade: { from: 1 } };
    expect(asks(change.afterRouted(aRun({}, input), {}))).toMatchObject({ model: 'mid', choice: 'first tier', mayRaise: true }); // prettier-ignore
    const large = asks(change.afterRouted(aRun({}, input), { tier: 2 }));
    expect(large.mayRaise).toBeUndefined();
  });
});

describe('a cascade', () => {
  test('asks the next tier at a position of its own, with the transcript as it was, and pays for both', () => {
    const state = answered(aRun({}, cascade), rejected);
    expect(asks(state)).toMatchObject({ position: '1/up-1', model: 'mid', choice: 'up: misfit: no JSON', mayRaise: true }); // prettier-ignore
    expect(state.transcript).toEqual(aRun().transcript);
    expect(state.spent).toEqual(cost);
    const last = asks(answered(state, rejected));
    expect(last).toMatchObject({ position: '1/up-2', model: 'big' });
    expect(last.mayRaise).toBeUndefined();
  });

  test('begins the next step with the small model, and lets it count the tokens anew', () => {
    const state = answered(answered(aRun({}, cascade), rejected), { kind: 'calls', transcript, cost, calls: [] }); // prettier-ignore
    expect(asks(state)).toMatchObject({ position: '2', model: 'nano', choice: 'first tier' });
    expect(state.transcript.tokens).toBe(9);
    expect(started(state).transcript.tokens).toBeUndefined();
    const same = answered(aRun({}, cascade), { kind: 'calls', transcript, cost, calls: [] });
    expect(started(same).transcript.tokens).toBe(9);
  });

  test('passes over a tier that cannot be reached, and counts the fallbacks of each rise by themselves', () => {
    const state = answered(failed(aRun({}, cascade)), rejected);
    expect(asks(state)).toMatchObject({ position: '1/up-1', model: 'big' });
    expect(asks(failed(state))).toMatchObject({ position: '1/up-1-fallback-1', model: 'spare' });
  });

  test('does not go up from a model that a shared budget chose', () => {
    const state = answered(aRun({}, cascade), rejected);
    const over = { kind: 'over-budget', rule: 1, budget: 'b', policy: 'degrade', detail: '', model: 0 } as const; // prettier-ignore
    let degraded = change.afterOverBudget(started(state), '1/up-1', over, 0);
    while (degraded.notes.length > 0) degraded = change.afterNoted(degraded);
    const step = asks(degraded);
    expect(step).toMatchObject({ position: '1/up-1-fallback-1', model: 'nano', choice: 'degraded: a shared budget has no room for another' }); // prettier-ignore
    expect(step.mayRaise).toBeUndefined();
    // Where that one cannot be reached either, the budget would refuse the tiers above it again.
    expect(asks(failed(degraded))).toMatchObject({ model: 'spare' });
  });

  test('is forked where it was, and forgotten where other models are named', () => {
    const state = started(answered(aRun({}, cascade), rejected));
    const forked = (otherModels: boolean) =>
      toForkCarried(state, { nowMs: 0, entries: [], transcript: state.transcript, otherModels });
    const same = firstState({ ...state.input, carried: forked(false) }, 0);
    expect(asks(same)).toMatchObject({ position: '1/up-1', model: 'mid' });
    const { tiers: _, cascade: __, ...untiered } = state.input;
    const other = firstState({ ...untiered, models: ['other'], carried: forked(true) }, 0);
    expect(asks(other)).toEqual({ kind: 'call-model', position: '1/up-1', model: 'other', entries: [] }); // prettier-ignore
    const later = answered(other, { kind: 'calls', transcript, cost, calls: [] });
    expect(asks(later).position).toBe('2');
  });
});

test('calls that are not made have a result each where the run goes on', () => {
  const input = { session: { idleMs: 9, whileWorking: 'queue' as const } };
  const final = { kind: 'final', transcript, cost, output: 'o', outputBytes: 1 } as const;
  const state = answered(aRun({}, input), { ...final, skipped: ['a', 'b'] });
  expect(state.session?.phase).toBe('turn-over');
  expect(state.entries).toMatchObject([
    { at: '1.1', id: 'a', error: { code: 'skipped' } },
    { at: '1.2', id: 'b', error: { code: 'skipped' } },
  ]);
  expect(answered(aRun({}, input), final).entries).toEqual([]);
});

/** What may happen to one model call. */
const happenings = fc.array(
  fc.constantFrom('rejected', 'failed', 'degraded', 'calls', 'misfit', 'interrupted', 'carried'),
  { maxLength: 40 },
);

test('in no order of what happens is a position asked twice, a tier passed downwards, or more asked than there are', () => {
  fc.assert(
    fc.property(
      happenings,
      fc.integer({ min: 0, max: 1 }),
      fc.boolean(),
      (events, from, routes) => {
        const input = { ...tiered, cascade: { from }, ...(routes ? { route: true as const } : {}) };
        let state = aRun({}, { ...input, escalate: ['output'] });
        const positions = new Set<string>();
        let ofStep: number[] = [];
        for (const event of events) {
          let step = decideNextStep(state, 0);
          for (; step.kind === 'note' || step.kind === 'route'; step = decideNextStep(state, 0))
          state = step.kind === 'note' ? change.afterNoted(state) : change.afterRouted(state, { tier: from }); // prettier-ignore
          if (step.kind !== 'call-model') return;
          const { position, model, mayRaise } = step;
          expect(isPosition(position)).toBe(true);
          const index = (input.models ?? []).indexOf(model);
          if (event === 'carried') {
            const { degradedTo } = state;
            const carried = toCarried(state, 0);
            state = firstState({ ...state.input, carried: JSON.parse(JSON.stringify(carried)) as typeof carried }, 0); // prettier-ignore
            // A budget's choice is for one call, and is made again.
            if (degradedTo === undefined) expect(asks(state)).toEqual(step);
            continue;
          }
          expect(positions).not.toContain(position);
          positions.add(position);
          const flying = change.afterModelStarted(state, position);
          const before = { ...state, spent: undefined };
          switch (event) {
            case 'rejected': {
              // The activity rejects only where it was told that a larger tier is left.
              if (mayRaise !== true) return;
              ofStep.push(index);
              state = change.afterModelReply(flying, position, rejected);
              expect(state.transcript.head).toBe(before.transcript.head);
              expect(state.step).toBe(before.step);
              break;
            }
            case 'failed':
              state = change.afterModelFailure(flying, position, failure);
              break;
            case 'degraded':
              if (index === 0) return;
              state = change.afterOverBudget(flying, position, { kind: 'over-budget', rule: 1, budget: 'b', policy: 'degrade', detail: '', model: index - 1 }, 0); // prettier-ignore
              break;
            case 'interrupted':
              state = change.afterAborted({ ...flying, interrupt: 'passed-on' }, position);
              break;
            case 'calls':
            case 'misfit':
              state = change.afterModelReply(flying, position, event === 'calls' ? { kind: 'calls', transcript, cost, calls: [] } : { kind: 'misfit', transcript, cost, problem: 'x' }); // prettier-ignore
              if (event === 'calls') ofStep = [];
              break;
          }
          expect(ofStep).toEqual([...new Set(ofStep)].toSorted((a, b) => a - b));
          expect(ofStep.length).toBeLessThan(3);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test('a run whose calls were asked for goes on with the model that asked', () => {
  const state = askedFor(aRun({}, tiered), call('read'));
  expect(state.lastModel).toBe(0);
});
