/** A run's rules under everything that people may say, in every order: nothing starts that may not. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CloseRequestOutput, RunToolOutput } from '../../contracts/agent-run.ts';
import type { ToolPolicy } from '../../contracts/definitions.ts';
import { decideNextStep } from '../../rules/decide-next-step.ts';
import { refuseDecision } from '../../rules/judge-decision.ts';
import { refuseExtension, refuseMessage, refuseSteer } from '../../rules/judge-message.ts';
import { firstState, type RunState, toCarried } from '../../rules/run-state.ts';
import * as change from '../../rules/transitions.ts';
import { aRun, anInput, askedFor, call, done, policies } from '../support/a-run.ts';

const policy = (more: Partial<ToolPolicy> = {}): ToolPolicy => ({
  ...(policies['read'] as ToolPolicy),
  ...more,
});
const tools = {
  ...policies,
  look: policy({ fallbacks: ['look_there', 'look_elsewhere'] }),
  look_there: policy(),
  look_elsewhere: policy(),
  must: policy({ critical: true, fallbacks: ['look_there'] }),
  ask_human: policy({ question: true }),
};
const exhausted = (code = 'unavailable', attempts = 3): RunToolOutput => ({
  kind: 'exhausted',
  input: 'i',
  error: { code, message: 'it is ill', retryable: true, attempts },
});
const next = (state: RunState, nowMs = 0) => decideNextStep(state, nowMs);
const failed = (state: RunState, position: string, output = exhausted()) =>
  change.afterToolResult(change.afterToolStarted(state, position), position, output);
const fallenTo = (state: RunState, position: string, tool: string) =>
  change.afterFallbackProposed(state, position, call(tool));

describe('a tool that failed in a way that may pass', () => {
  test('is replaced by its fallbacks in order, each at a position of its own', () => {
    let state = failed(askedFor(aRun({}, { tools }), call('look')), '1.1');
    expect(next(state)).toMatchObject({ kind: 'propose-fallbacks', calls: [{ position: '1.1' }] });
    state = fallenTo(state, '1.1', 'look_there');
    expect(next(state)).toMatchObject({
      kind: 'run-tools',
      calls: [{ position: '1.1/fallback-1', instead: { tool: 'look', code: 'unavailable' } }],
    });
    state = fallenTo(failed(state, '1.1/fallback-1'), '1.1/fallback-1', 'look_elsewhere');
    state = change.afterToolResult(
      change.afterToolStarted(state, '1.1/fallback-2'),
      '1.1/fallback-2',
      done('found'),
    );
    expect(next(state)).toMatchObject({
      kind: 'call-model',
      entries: [{ at: '1.1/fallback-2', hash: 'found' }],
    });
  });

  test('is told to the model when no way is left, with what failed first', () => {
    let state = failed(askedFor(aRun({}, { tools }), call('look')), '1.1');
    state = fallenTo(state, '1.1', 'look_there');
    state = fallenTo(failed(state, '1.1/fallback-1'), '1.1/fallback-1', 'look_elsewhere');
    state = failed(state, '1.1/fallback-2', exhausted('timeout'));
    expect(next(state)).toMatchObject({
      kind: 'call-model',
      entries: [{ error: { code: 'timeout', message: expect.stringContaining('`look` failed') } }],
    });
  });

  test('goes to a human when it is critical, who may say try again, and then from the first way', () => {
    let state = failed(askedFor(aRun({}, { tools }), call('must')), '1.1');
    state = failed(fallenTo(state, '1.1', 'look_there'), '1.1/fallback-1');
    expect(next(state)).toMatchObject({
      kind: 'open-requests',
      requests: [{ position: '1.1/escalation', kind: 'escalation', about: 'tool' }],
    });
    state = decided(state, '1.1/escalation', 'approved');
    expect(next(state)).toMatchObject({
      kind: 'run-tools',
      calls: [{ position: '1.1', attemptsBefore: 3 }],
    });
    state = failed(state, '1.1');
    state = failed(fallenTo(state, '1.1', 'look_there'), '1.1/fallback-1');
    expect(next(state)).toMatchObject({ requests: [{ position: '1.1/escalation-2' }] });
    state = decided(state, '1.1/escalation-2', 'answered', { result: done('by hand') });
    expect(next(state)).toMatchObject({
      kind: 'call-model',
      entries: [{ at: '1.1', hash: 'by hand' }],
    });
  });

  test('is given up by a human: the model hears the failure and not to try again', () => {
    const state = failed(askedFor(aRun({}, { tools }), call('must')), '1.1');
    const asked = failed(fallenTo(state, '1.1', 'look_there'), '1.1/fallback-1');
    expect(next(decided(asked, '1.1/escalation', 'denied'))).toMatchObject({
      entries: [
        {
          error: {
            code: 'unavailable',
            retryable: false,
            hint: expect.stringContaining('gave it up'),
          },
        },
      ],
    });
  });

  test('tries nothing more when the run is halted', () => {
    const halted = change.afterHalt(
      change.afterToolStarted(askedFor(aRun({}, { tools }), call('look')), '1.1'),
      { reason: 'r', by: 'b', flagged: true },
    );
    const state = change.afterToolResult(change.afterAbort(halted), '1.1', exhausted());
    expect(next(state)).toEqual({ kind: 'stop', because: 'halted', detail: 'r' });
  });
});

const approval = () =>
  change.afterRequestOpened(
    change.afterAsking(
      askedFor(
        aRun(
          {},
          {
            tools: {
              ...tools,
              pay: {
                ...(policies['pay'] as ToolPolicy),
                ask: {
                  deadlineMs: 1_000,
                  deciders: ['ann'],
                  escalation: { deadlineMs: 500, deciders: ['boss'] },
                },
              },
            },
          },
        ),
        call('pay', { ask: true }),
      ),
    ),
    '1.1/approval',
    1_000,
  );

describe('a request', () => {
  const by = (name: string) => ({ request: '1.1/approval', argumentsHash: 'hash-pay', by: name });

  test('is decided by those who may, at each level', () => {
    const open = approval();
    expect(refuseDecision(open, 'approve', by('boss'), 0)).toMatch(/may not decide/);
    expect(refuseDecision(open, 'approve', by('ann'), 0)).toBeUndefined();
    expect(next(open, 1_000)).toEqual({ kind: 'expire-requests' });
    const silent = change.afterSilence(open, 1_000);
    expect(next(silent, 1_000)).toMatchObject({ kind: 'escalate-requests' });
    const above = change.afterEscalated(silent, '1.1/approval');
    expect(refuseDecision(above, 'approve', by('boss'), 1_000)).toBeUndefined();
    expect(next(above, 1_400)).toEqual({ kind: 'wait', humansOnly: true, untilMs: 1_500 });
    expect(next(change.afterSilence(above, 1_500), 1_500)).toMatchObject({
      kind: 'close-requests',
      requests: [{ decision: { verdict: 'expired' } }],
    });
  });

  test('is open again when a decision turns out not to count', () => {
    const open = approval();
    const refused = change.afterRequestClosed(
      change.afterRequestClosing(
        change.afterDecision(open, '1.1/approval', {
          verdict: 'approved',
          by: 'ann',
          via: 'update',
          number: 7,
        }),
        '1.1/approval',
      ),
      '1.1/approval',
      { refused: 'forged' },
    );
    expect(refused.requests).toMatchObject([
      { phase: 'open', refusal: { decision: 7, because: 'forged' } },
    ]);
    expect(refused.requests[0]).not.toHaveProperty('decision');
    expect(next(refused)).toMatchObject({ kind: 'wait' });
  });

  test.each([
    ['answer', { answer: { hash: 'h', text: 'x' } }, /approve or deny/],
    ['approve', { edit: { argumentsHash: 7 } }, /needs `argumentsHash`/],
    ['approve', { edit: { argumentsHash: 'h' } }, /no `decision`/],
    ['approve', { edit: { argumentsHash: 'h', arguments: 'x'.repeat(2_049) } }, /2049/],
    ['deny', { edit: { argumentsHash: 'h', arguments: '{}' } }, /for approvals/],
    ['approve', { reason: 7 }, /reason/],
    ['approve', { decision: 7 }, /decision/],
  ] as const)('refuses %s with %j', (deciding, more, because) => {
    expect(refuseDecision(approval(), deciding, { ...by('ann'), ...more } as never, 0)).toMatch(
      because,
    );
  });
});

describe('words to a run', () => {
  test('have their limits, each with its name', () => {
    const state = aRun();
    expect(refuseSteer(state, { by: 'a', text: 'é'.repeat(1_025) })).toMatch(/2050 bytes/);
    expect(refuseExtension(state, { by: 'a', steps: 0.5 })).toMatch(/whole number/);
    expect(refuseExtension(state, { by: 'a', tokens: 0 })).toMatch(/at least one/);
    expect(
      refuseExtension({ ...state, input: anInput({ depth: 1 }) }, { by: 'a', steps: 1 }),
    ).toMatch(/parent/);
    expect(refuseMessage(state, { id: 'm', text: 'x' })).toMatch(/no session/);
  });

  test('an extension counts when it is in the database, and closes what asked for it', () => {
    const input = anInput({ escalate: ['budget'], limits: { ...anInput().limits, steps: 0 } });
    const stopped = next(firstState(input, 0));
    expect(stopped).toMatchObject({ kind: 'stop', because: 'step-limit' });
    let state = change.afterLimit(firstState(input, 0), 'step-limit', 'no steps');
    expect(next(state)).toMatchObject({
      requests: [{ position: '1/escalation', about: 'budget' }],
    });
    state = change.afterRequestOpened(state, '1/escalation', 1_000);
    state = change.afterExtension(state, { by: 'ann', steps: 2 }, 'update');
    expect(next(state)).toMatchObject({ kind: 'extend', extension: { steps: 2, number: 1 } });
    state = change.afterExtended(state);
    expect(next(state)).toMatchObject({
      kind: 'close-requests',
      requests: [{ decision: { verdict: 'extended', by: 'ann' } }],
    });
    state = change.afterRequestClosed(
      change.afterRequestClosing(state, '1/escalation'),
      '1/escalation',
    );
    expect(next(state)).toMatchObject({ kind: 'call-model', position: '1' });
    expect(toCarried(state, 5)).toMatchObject({ limits: { steps: 2 }, extensions: 1 });
  });

  test('a pause, its lifting, steering and messages survive a new history', () => {
    const input = anInput({ session: { idleMs: 1_000, whileWorking: 'queue' } });
    let state = change.afterPause(firstState(input, 0), { reason: 'r', by: 'ann' });
    state = change.afterSteer(state, { text: 'brief', by: 'ann' });
    state = change.afterMessage(state, { id: 'm1', text: 'hello' });
    state = change.afterMessage(state, { id: 'm1', text: 'hello' });
    while (state.notes.length > 0) state = change.afterNoted(state);
    const resumed = firstState({ ...input, carried: toCarried(state, 1) }, 1);
    expect(resumed).toMatchObject({
      paused: { reason: 'r' },
      session: { messages: 1, inbox: [{ say: 'hello' }], heard: [{ id: 'm1', turn: 2 }] },
    });
    expect(resumed.steers).toHaveLength(1);
    expect(next(resumed)).toEqual({ kind: 'wait', humansOnly: true });
    expect(next(change.afterNoted(change.afterResume(resumed, { by: 'ann' })))).toMatchObject({
      kind: 'call-model',
      entries: [{ say: expect.stringContaining('brief') }],
    });
  });
});

function decided(
  from: RunState,
  position: string,
  verdict: 'approved' | 'denied' | 'answered',
  output: CloseRequestOutput = {},
): RunState {
  const open = change.afterRequestOpened(from, position, 9_999);
  const said = change.afterDecision(open, position, { verdict, by: 'ann', via: 'update' });
  return change.afterRequestClosed(change.afterRequestClosing(said, position), position, output);
}

describe('in no order of what people say and calls bring', () => {
  const happening = fc.constantFrom(
    'approve',
    'deny',
    'pause',
    'resume',
    'steer',
    'extend',
    'message',
    'halt',
    'expire',
    'done',
    'exhausted',
    'unknown',
    'final',
    'calls',
    'interrupted',
  );

  test('does a call start while the run is paused or halted, or without the approval it needs', () => {
    fc.assert(
      fc.property(
        fc.array(happening, { maxLength: 60 }),
        fc.constantFrom('queue', 'steer', 'interrupt'),
        (happenings, whileWorking) => {
          let nowMs = 0;
          let approved = false;
          let state = firstState(
            anInput({
              tools,
              session: { idleMs: 100_000, whileWorking: whileWorking as 'queue' },
              escalate: ['budget', 'output', 'refusal', 'model'],
              limits: { costMicroUsd: 1_000, tokens: 1_000, steps: 3, wallMs: 60_000 },
            }),
            0,
          );
          const started = (position: string): void => {
            expect(state.halt).toBeUndefined();
            expect(state.paused).toBeUndefined();
            if (/^\d+\.2$/.test(position)) expect(approved).toBe(true);
          };
          for (const what of happenings) {
            nowMs += 1;
            const open = state.requests.find((request) => request.phase === 'open');
            const flying = state.inFlight[0];
            const isModel = flying !== undefined && !flying.includes('.');
            switch (what) {
              case 'approve':
              case 'deny':
                if (open === undefined) break;
                if (what === 'approve' && (open.about === 'budget' || open.kind === 'question'))
                  break;
                approved ||= what === 'approve' && open.call.endsWith('.2');
                state = change.afterDecision(state, open.position, {
                  verdict: what === 'approve' ? 'approved' : 'denied',
                  by: 'x',
                  via: 'update',
                });
                break;
              case 'pause':
                state = change.afterPause(state, { reason: 'r', by: 'b' });
                break;
              case 'resume':
                state = change.afterResume(state, { by: 'b' });
                break;
              case 'steer':
                state = change.afterSteer(state, { text: 't', by: 'b' });
                break;
              case 'extend':
                state = change.afterExtension(state, { by: 'b', steps: 1 }, 'signal');
                break;
              case 'message':
                state = change.afterMessage(state, { id: `m${nowMs}`, text: 't' });
                break;
              case 'halt':
                state = change.afterHalt(state, { reason: 'r', by: 'b', flagged: true });
                break;
              case 'expire':
                nowMs += 10_000;
                break;
              case 'done':
              case 'exhausted':
              case 'unknown':
                if (flying === undefined || isModel) break;
                state = change.afterToolResult(
                  state,
                  flying,
                  what === 'done'
                    ? done()
                    : what === 'exhausted'
                      ? exhausted()
                      : { kind: 'unknown', input: 'i', detail: 'd' },
                );
                break;
              case 'interrupted':
                if (flying === undefined || state.interrupt !== 'passed-on') break;
                state = change.afterAborted(state, flying);
                break;
              case 'final':
              case 'calls': {
                if (flying === undefined || !isModel) break;
                const base = {
                  transcript: { ...state.transcript, length: state.transcript.length + 1 },
                  cost: { costMicroUsd: 1, tokens: 1 },
                };
                if (what === 'calls') approved = false;
                state = change.afterModelReply(
                  state,
                  flying,
                  what === 'final'
                    ? { ...base, kind: 'final', output: 'o', outputBytes: 1 }
                    : {
                        ...base,
                        kind: 'calls',
                        calls: [
                          call('must'),
                          call('pay', { ask: true }),
                          call('look'),
                          call('ask_human'),
                        ],
                      },
                );
                break;
              }
            }
            state = carryOut(state, nowMs, (now, position) => {
              state = now;
              started(position);
            });
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

/** Carries out what the rules say until they wait or end, as the workflow does. */
function carryOut(
  from: RunState,
  nowMs: number,
  onStart: (state: RunState, position: string) => void,
): RunState {
  let state = from;
  for (let turn = 0; turn < 100; turn += 1) {
    const step = decideNextStep(state, nowMs);
    switch (step.kind) {
      case 'call-model':
        onStart(state, step.position);
        state = change.afterModelStarted(state, step.position);
        break;
      case 'run-tools':
        for (const { position } of step.calls) {
          onStart(state, position);
          state = change.afterToolStarted(state, position);
        }
        break;
      case 'propose-fallbacks':
        for (const { position } of step.calls)
          state = change.afterFallbackProposed(state, position, call('look_there'));
        break;
      case 'ask':
        state = change.afterAsking(state);
        break;
      case 'open-requests':
        for (const { position } of step.requests)
          state = change.afterRequestOpened(state, position, nowMs + 5_000);
        break;
      case 'escalate-requests':
        for (const { position } of step.requests) state = change.afterEscalated(state, position);
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
      case 'interrupt':
        state = change.afterInterrupt(state);
        break;
      case 'note':
        state = change.afterNoted(state);
        break;
      case 'extend':
        state = change.afterExtended(state);
        break;
      case 'end-turn':
        state = change.afterTurnEnded(state, nowMs);
        break;
      case 'begin-turn':
        state = change.afterTurnBegun(state, nowMs);
        break;
      case 'end-session':
        state = change.afterIdle(state);
        break;
      case 'stop':
        state = change.afterLimit(state, step.because, step.detail);
        break;
      case 'wait':
        if (step.untilMs !== undefined) expect(step.untilMs).toBeGreaterThan(nowMs);
        return state;
      case 'route':
      case 'continue-as-new':
      case 'end':
      case 'raise-flag':
        return state;
    }
  }
  throw new Error('the rules went round in a circle');
}
