import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideNextStep } from '../../rules/decide-next-step.ts';
import * as change from '../../rules/transitions.ts';
import { type RunState, toCarried, workedMsAt } from '../../rules/run-state.ts';
import { aRun, askedFor, call, done } from '../support/a-run.ts';

const next = (state: RunState, nowMs = 0) => decideNextStep(state, nowMs);

describe('what a run does next', () => {
  test('a new run calls its first model at position 1', () => {
    expect(next(aRun())).toEqual({
      kind: 'call-model',
      position: '1',
      model: 'small',
      entries: [],
    });
  });

  test('allowed calls run, and the one beside them that needs approval is asked about first', () => {
    const asked = askedFor(aRun(), call('read'), call('pay', { ask: true }));
    expect(next(asked)).toEqual({ kind: 'ask' });
    const asking = change.afterAsking(asked);
    expect(next(asking)).toMatchObject({
      kind: 'open-requests',
      requests: [{ position: '1.2/approval' }],
    });
    const open = change.afterRequestOpened(asking, '1.2/approval', 1_000);
    expect(next(open)).toMatchObject({ kind: 'run-tools', calls: [{ position: '1.1' }] });
    const running = change.afterToolStarted(open, '1.1');
    expect(next(running)).toEqual({ kind: 'wait', humansOnly: false, untilMs: 1_000 });
    const ran = change.afterToolResult(running, '1.1', done());
    expect(next(ran)).toEqual({ kind: 'wait', humansOnly: true, untilMs: 1_000 });
    expect(next(ran, 1_000)).toEqual({ kind: 'expire-requests' });
  });

  test('results go to the model in its own order, whatever order they came in', () => {
    let state = askedFor(aRun(), call('read'), call('read'), call('nothing', { error: note }));
    state = change.afterToolStarted(change.afterToolStarted(state, '1.1'), '1.2');
    state = change.afterToolResult(state, '1.2', done('second'));
    state = change.afterToolResult(state, '1.1', done('first'));
    expect(next(state)).toMatchObject({
      kind: 'call-model',
      position: '2',
      entries: [{ hash: 'first' }, { hash: 'second' }, { error: note }],
    });
  });

  test('a halt is flagged, passed on, and then ends the run when nothing is in flight', () => {
    let state = change.afterToolStarted(askedFor(aRun(), call('pay')), '1.1');
    state = change.afterHalt(state, { reason: 'stop', by: 'ann' });
    expect(next(state)).toEqual({ kind: 'raise-flag' });
    state = change.afterFlagRaised(state);
    expect(next(state)).toEqual({ kind: 'abort-in-flight' });
    state = change.afterAbort(state);
    expect(next(state)).toEqual({ kind: 'wait', humansOnly: false });
    state = change.afterToolResult(state, '1.1', done());
    expect(next(state)).toEqual({ kind: 'stop', because: 'halted', detail: 'stop' });
  });

  test('a halted run still asks about an effect that may have happened', () => {
    let state = change.afterToolStarted(askedFor(aRun(), call('pay')), '1.1');
    state = change.afterAbort(change.afterHalt(state, { reason: 'x', by: 'y', flagged: true }));
    state = change.afterToolResult(state, '1.1', { kind: 'unknown', input: 'i', detail: 'cut' });
    expect(next(state)).toMatchObject({
      kind: 'open-requests',
      requests: [{ position: '1.1/unknown', kind: 'unknown' }],
    });
  });

  test('a finished output is not thrown away for a limit', () => {
    const state = change.afterModelReply(
      change.afterModelStarted(
        aRun({}, { limits: { costMicroUsd: 1, tokens: 1, steps: 1, wallMs: 1 } }),
        '1',
      ),
      '1',
      {
        kind: 'final',
        transcript: { chain: 0, length: 2, head: 'x', bytes: 1 },
        cost: { costMicroUsd: 5, tokens: 5 },
        output: 'o',
        outputBytes: 1,
      },
    );
    expect(next(state, 999_999)).toMatchObject({ kind: 'end', outcome: { kind: 'done' } });
  });

  test.each([
    [{ spent: { costMicroUsd: 1_000, tokens: 0 } }, 'cost-limit', 0],
    [{ spent: { costMicroUsd: 0, tokens: 1_000 } }, 'token-limit', 0],
    [{ step: 5 }, 'step-limit', 0],
    [{}, 'wall-limit', 60_000],
  ] as const)('a limit that is reached stops the run: %j', (overrides, because, nowMs) => {
    expect(next(aRun(overrides), nowMs)).toMatchObject({ kind: 'stop', because });
  });

  test('time spent waiting for a human is not working time', () => {
    const waited = change.afterWaitEnds(change.afterWaitBegins(aRun(), 1_000), 500_000);
    expect(workedMsAt(waited, 500_500)).toBe(1_500);
  });

  test('a deadline stops new calls, and lets those in flight land', () => {
    const state = change.afterToolStarted(
      askedFor(aRun({}, { deadlineMs: 100 }), call('read'), call('read')),
      '1.1',
    );
    expect(next(state, 100)).toEqual({ kind: 'wait', humansOnly: false });
    const landed = change.afterToolResult(state, '1.1', done());
    expect(next(landed, 100)).toMatchObject({ kind: 'stop', because: 'deadline' });
  });

  test('a model that is away is followed by the next at a position of its own', () => {
    const failed = change.afterModelFailure(change.afterModelStarted(aRun(), '1'), '1', {
      type: 'ModelOverloaded',
      message: 'm',
      retryable: true,
    });
    expect(next(failed)).toMatchObject({ position: '1/fallback-1', model: 'large' });
    const again = change.afterModelFailure(
      change.afterModelStarted(failed, '1/fallback-1'),
      '1/fallback-1',
      { type: 'ModelOverloaded', message: 'm', retryable: true },
    );
    expect(next(again)).toMatchObject({ kind: 'end', outcome: { kind: 'failed' } });
  });

  test('an output that does not fit is repaired at positions of its own, and then fails', () => {
    let state = aRun();
    for (const position of ['1', '1/repair-1', '1/repair-2']) {
      expect(next(state)).toMatchObject({ kind: 'call-model', position });
      state = change.afterModelReply(change.afterModelStarted(state, position), position, {
        kind: 'misfit',
        transcript: { chain: 0, length: 2, head: position, bytes: 1 },
        cost: { costMicroUsd: 1, tokens: 1 },
        problem: 'no',
      });
    }
    expect(state.step).toBe(1);
    expect(next(state)).toMatchObject({ outcome: { failure: { type: 'OutputInvalid' } } });
  });

  test('a long history continues as new between steps, never within one', () => {
    const within = change.afterHistoryLong(askedFor(aRun(), call('read')));
    expect(next(within)).toMatchObject({ kind: 'run-tools' });
    const between = change.afterToolResult(change.afterToolStarted(within, '1.1'), '1.1', done());
    expect(next(between)).toEqual({ kind: 'continue-as-new' });
    const carried = toCarried(between, 10);
    expect(carried).toMatchObject({
      step: 1,
      entries: [{ at: '1.1' }],
      workedMs: 10,
      executions: 1,
    });
  });
});

const note = { code: 'unknown_tool', message: 'm', retryable: false, attempts: 0 };

describe('in no order of what can happen', () => {
  const happening = fc.constantFrom('approve', 'deny', 'halt', 'expire', 'tool', 'unknown', 'open');

  test('does a call run that was not approved, or anything start after a halt', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 30 }), (happenings) => {
        let state = change.afterAsking(
          askedFor(aRun(), call('read'), call('pay', { ask: true }), call('pay')),
        );
        let approved = false;
        let nowMs = 0;
        for (const what of happenings) {
          const open = state.requests.find(
            (request) => request.phase === 'open' && request.kind === 'approval',
          );
          if ((what === 'approve' || what === 'deny') && open !== undefined) {
            approved ||= what === 'approve' && open.call === '1.2';
            state = change.afterDecision(state, open.position, {
              verdict: what === 'approve' ? 'approved' : 'denied',
              by: 'x',
              via: 'update',
            });
          }
          if (what === 'halt')
            state = change.afterHalt(state, { reason: 'r', by: 'b', flagged: true });
          if (what === 'expire') nowMs += 1_000;
          const flying = state.inFlight[0];
          if (flying !== undefined && (what === 'tool' || what === 'unknown'))
            state = change.afterToolResult(
              state,
              flying,
              what === 'tool' ? done() : { kind: 'unknown', input: 'i', detail: 'd' },
            );
          state = act(state, nowMs, (started) => {
            expect(state.halt).toBeUndefined();
            if (started === '1.2') expect(approved).toBe(true);
          });
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** Carries out what the rules say until they wait or end, as the workflow does. */
function act(from: RunState, nowMs: number, onStart: (position: string) => void): RunState {
  let state = from;
  for (let turn = 0; turn < 50; turn += 1) {
    const step = decideNextStep(state, nowMs);
    switch (step.kind) {
      case 'run-tools':
        for (const { position } of step.calls) {
          onStart(position);
          state = change.afterToolStarted(state, position);
        }
        break;
      case 'ask':
        state = change.afterAsking(state);
        break;
      case 'open-requests':
        for (const { position } of step.requests)
          state = change.afterRequestOpened(state, position, nowMs + 1_000);
        break;
      case 'close-requests':
        for (const { position } of step.requests)
          state = change.afterRequestClosed(change.afterRequestClosing(state, position), position);
        break;
      case 'expire-requests':
        state = change.afterSilence(state, nowMs);
        break;
      case 'abort-in-flight':
        state = change.afterAbort(state);
        break;
      case 'begin-turn':
      case 'end-session':
      case 'end-turn':
      case 'escalate-requests':
      case 'extend':
      case 'interrupt':
      case 'note':
      case 'propose-fallbacks':
      case 'route':
        throw new Error(`nothing here comes to ${step.kind}`);
      case 'call-model':
      case 'continue-as-new':
      case 'end':
      case 'raise-flag':
      case 'stop':
      case 'wait':
        return state;
    }
  }
  throw new Error('the rules went round in a circle');
}
