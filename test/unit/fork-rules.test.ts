import { describe, expect, test } from 'vitest';
import { planToolFork, type ToolFork } from '../../client/fork/plan-tool-fork.ts';
import type { FrozenAgent } from '../../contracts/definitions.ts';
import { limits } from '../../contracts/limits.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { decideNextStep } from '../../rules/decide-next-step.ts';
import { isFirstCall, toForkCarried, withoutWords } from '../../rules/fork-state.ts';
import { assistantMessage, readReply, toolMessage } from '../../rules/render-message.ts';
import { firstState, nextModelPosition, type RunState } from '../../rules/run-state.ts';
import type { StepCallRow } from '../../storage/forks/parent.ts';
import { sha256 } from '../../storage/hash.ts';
import { anInput, aRun, askedFor, call, done, policies } from '../support/a-run.ts';

const carriedOf = (state: RunState, otherModels = false) =>
  toForkCarried(state, {
    nowMs: 7,
    entries: state.entries,
    transcript: state.transcript,
    otherModels,
  });

describe('the state that a fork begins with', () => {
  test('its first call stands where its parent’s stood, whatever was tried there', () => {
    for (const step of [0, 4])
      for (const repairs of [0, 2])
        for (const interrupts of [0, 1])
          for (const fallbacks of [0, 1]) {
            const state = aRun({ step, repairs, interrupts, fallbacks });
            const forked = firstState(anInput({ carried: carriedOf(state) }), 7);
            expect(nextModelPosition(forked)).toBe(nextModelPosition(state));
          }
  });

  test('what was spent, worked, paused and added to limits stays with the parent', () => {
    const state = aRun({
      step: 3,
      modelIndex: 1,
      spent: { costMicroUsd: 9, tokens: 9 },
      workedMs: 50_000,
      extensions: 2,
      paused: { reason: 'r', by: 'b' },
      limits: { costMicroUsd: 9, tokens: 9, steps: 99, wallMs: 9 },
    });
    const forked = firstState(anInput({ carried: carriedOf(state) }), 7);
    expect(forked).toMatchObject({ step: 3, modelIndex: 1, workedMs: 0, startedAtMs: 7, extensions: 0, spent: { costMicroUsd: 0, tokens: 0 } }); // prettier-ignore
    expect(forked.limits).toEqual(anInput().limits);
    expect(decideNextStep(forked, 7)).toMatchObject({ kind: 'call-model', model: 'large' });
    expect(carriedOf(state, true).modelIndex).toBe(0);
  });

  test('the turn of a session goes on, and its steps are counted from the fork', () => {
    const session = { phase: 'working', turn: 3, firstStep: 5, workedMs: 900, messages: 4, inbox: [], heard: [], last: { output: 'o', bytes: 1, at: '5' } } as const; // prettier-ignore
    const { session: carried } = carriedOf(aRun({ step: 6, session }));
    expect(carried).toEqual({ turn: 3, firstStep: 6, workedMs: 0, messages: 4, inbox: [], heard: [] }); // prettier-ignore
  });

  test('a person’s words can be taken out, Belayer’s own and results stay', () => {
    const result = { at: '2.1', hash: 'h', bytes: 1 };
    const misfit = { at: '3', say: 'does not fit' };
    const steer = { at: '3', say: '[From the operator of this run] hurry' };
    const said = { at: 'said/x', hash: 'x', bytes: 1 };
    expect(withoutWords(aRun({ entries: [result, steer, said] }))).toEqual([result]);
    expect(withoutWords(aRun({ repairs: 1, entries: [misfit, steer] }))).toEqual([misfit]);
    expect(isFirstCall(aRun())).toBe(true);
    expect(isFirstCall(aRun({ step: 1 }))).toBe(false);
  });
});

describe('what is given', () => {
  test('a given call needs no approval and is not refused; one beside it is judged as ever', () => {
    const bad = { code: 'bad_arguments', message: 'm', retryable: false, attempts: 0 };
    const calls = [call('pay', { ask: true }), call('read', { error: bad }), call('pay', { ask: true })]; // prettier-ignore
    const state = askedFor(aRun({}, { given: ['1.1', '1.2'] }), ...calls);
    expect(state.calls.map(({ phase }) => phase)).toEqual(['ready', 'ready', 'asking']);
    expect(askedFor(aRun(), ...calls).calls.map(({ phase }) => phase)).toEqual(['asking', 'settled', 'asking']); // prettier-ignore
  });

  test('a reply is read from the message that it left', () => {
    const said = {
      text: '',
      refusal: 'no',
      toolCalls: [{ id: 'i', name: 'n', argumentsText: '{' }],
    };
    expect(readReply(assistantMessage(said))).toMatchObject(said);
    expect(readReply(assistantMessage({ text: 'x', toolCalls: [] }))).toMatchObject({ text: 'x', toolCalls: [] }); // prettier-ignore
  });
});

describe('a fork at a tool call', () => {
  const asked = [call('pay', { id: 'a' }), call('read', { id: 'b' })];
  const row = (position: string, more: Partial<StepCallRow> = {}): StepCallRow => ({
    position,
    kind: 'tool',
    name: 'pay',
    state: 'done',
    requestHash: sha256(canonicalJson({ amount: 1 })),
    answer: done(),
    fragment: toolMessage('a', `of ${position}`),
    ...more,
  });
  const frozen = {
    tools: [
      { name: 'pay', policy: policies['pay'] },
      { name: 'read', policy: policies['read'], outputSchema: { type: 'object' } },
    ],
    limits: { toolResultTokens: 10 },
  } as unknown as FrozenAgent;
  const plan = (index: number, more: Partial<ToolFork> & { edit?: object } = {}) => {
    const { edit = {}, ...rest } = more;
    return planToolFork({
      run: 'x',
      wish: { at: `1.${index + 1}`, step: 1, index, edit, limits: {}, options: {}, by: 'ann' },
      frozen,
      asked: {
        position: '1',
        fragment: assistantMessage({ text: '', toolCalls: asked.map(({ id, tool }) => ({ id, name: tool, argumentsText: '{}' })) }), // prettier-ignore
        answer: { kind: 'calls', transcript: anInput().transcript, cost: { costMicroUsd: 0, tokens: 0 }, calls: asked }, // prettier-ignore
      },
      rows: [],
      settled: [],
      ...rest,
    });
  };
  const given = (made: ReturnType<typeof plan>) =>
    made.results.map(({ position, status, fragment }) => `${position} ${status} ${(JSON.parse(fragment) as { content: string }).content}`); // prettier-ignore

  test('shares what had ended beside it, whatever it was done with, and runs what had not', () => {
    expect(given(plan(1))).toEqual([]);
    expect(given(plan(1, { rows: [row('1.1')] }))).toEqual(['1.1 ok of 1.1']);
    const fellBack = [row('1.1', { state: 'open', answer: null }), row('1.1/fallback-1')];
    expect(given(plan(1, { rows: fellBack }))).toEqual(['1.1 ok of 1.1/fallback-1']);
    const child = row('1.1', { kind: 'child', name: 'writer' });
    expect(given(plan(1, { rows: [child] }))).toEqual(['1.1 ok of 1.1']);
  });

  test('refuses beside a write that is under way or unknown, unless a human has settled it', () => {
    for (const state of ['claimed', 'unknown'] as const) {
      const rows = [row('1.1', { state, answer: null, fragment: null })];
      expect(() => plan(1, { rows })).toThrow(/the write `pay` at `1.1`, beside it/);
      expect(() => plan(0, { rows })).toThrow(/the write `pay` at `1.1` is/);
      const edited = plan(0, { rows, edit: { result: 'known' } });
      expect(given(edited)).toEqual(['1.1 ok known']);
      const error = { code: 'outcome_unknown', message: 'm', retryable: false, attempts: 1 };
      const settled = [{ position: '1.1', result: { at: '1.1', id: 'a', error } }];
      expect(given(plan(1, { rows, settled }))[0]).toContain('1.1 failed');
      expect(given(plan(0, { rows, settled }))[0]).toContain('outcome_unknown');
    }
  });

  test('does no write with its own arguments again, and any with others', () => {
    const rows = [row('1.1')];
    expect(() => plan(0, { rows, edit: { arguments: { amount: 1 } } })).toThrow(
      /is not done again/,
    );
    const edited = plan(0, { rows, edit: { arguments: { amount: 2 } } });
    expect(given(edited)).toEqual([]);
    expect(readReply(edited.fragment).toolCalls.map(({ argumentsText }) => argumentsText)).toEqual(['{"amount":2}', '{}']); // prettier-ignore
    expect(given(plan(0, { rows }))).toEqual(['1.1 ok of 1.1']);
    expect(given(plan(1, { rows: [row('1.2', { name: 'read' })] }))).toEqual([]);
  });

  test('holds a given result against the schema and against what a model may see', () => {
    expect(() => plan(1, { edit: { result: 'text' } })).toThrow(/result: must be object/);
    expect(given(plan(1, { edit: { result: { z: 1, a: 2 } } }))).toEqual(['1.2 ok {"z":1,"a":2}']);
    const charsMax = 40;
    expect(given(plan(0, { edit: { result: 'x'.repeat(charsMax) } }))).toHaveLength(1);
    expect(() => plan(0, { edit: { result: 'x'.repeat(charsMax + 1) } })).toThrow(/41 characters; the model sees at most 40/); // prettier-ignore
    expect(charsMax).toBeLessThan(limits.toolResultBytesMax);
  });
});
