/**
 * Transitions: a shared budget has no room for a model call, or a throttle lets it wait for its turn.
 *
 * 1. What the budget says is done, whatever the agent's `escalate` says: it is not the agent's money.
 * 2. A call that is tried again later is tried with the model that it was to have; a model of a shared budget's
 *    choice is for one call.
 * 3. All waits of one call together are bounded, however often its window begins anew.
 */
import type { OverBudget } from '../contracts/budgets.ts';
import { escalationPosition, type Position } from '../contracts/positions.ts';
import { afterStop } from './after-ending.ts';
import { newRequest } from './new-request.ts';
import { modelIndexNow } from './choose-model.ts';
import { type RunState, withNote, withoutFlight } from './run-state.ts';

export function afterOverBudget(
  before: RunState,
  position: Position,
  output: OverBudget,
  nowMs: number,
): RunState {
  const state = withoutFlight(before, position);
  if (state.halt !== undefined) return state;
  switch (output.policy) {
    case 'stop':
      return afterStop(
        state,
        output.throttle === true ? 'throttled' : 'budget-spent',
        output.detail,
      );
    case 'ask':
      return asked(asWanted(state), position, output);
    case 'wait':
      return waiting(asWanted(state), position, output, nowMs);
    case 'degrade':
      return degraded(state, position, output);
    default:
      return output.policy satisfies never;
  }
}

/** Somebody changed a budget that the run waits for, or that the call in flight may meet. */
export function afterBudgetChanged(state: RunState): RunState {
  const { budgetWait } = state;
  return {
    ...state,
    ...(budgetWait === undefined ? {} : { budgetWait: { ...budgetWait, untilMs: 0 } }),
    ...(state.inFlight.length === 0 ? {} : { budgetChanged: true as const }),
  };
}

/** The call was answered: what budgets made of it is over. */
export function withoutBudgetTroubles(state: RunState): RunState {
  const {
    budgetWait: _,
    budgetChanged: _changed,
    refused: _refused,
    degradedTo: _to,
    ...rest
  } = state;
  return rest;
}

/** Another model counts tokens another way. */
export function withoutTokenCount(state: RunState): RunState {
  const { tokens: _, ...transcript } = state.transcript;
  return { ...state, transcript };
}

/** The call again, with the model that it was to have: at another position, if that is another than now. */
function asWanted(state: RunState): RunState {
  const { degradedTo, ...rest } = state;
  return degradedTo === undefined
    ? { ...state, refused: true }
    : withoutTokenCount({ ...rest, refused: true, fallbacks: state.fallbacks + 1 });
}

function asked(state: RunState, position: Position, output: OverBudget): RunState {
  const time = state.escalations + 1;
  const { rule, customer, detail } = output;
  return newRequest(
    { ...state, escalations: time },
    {
      position: escalationPosition(position, time),
      call: '',
      kind: 'escalation',
      about: 'budget',
      argumentsHash: '',
      detail,
      otherwise: { kind: 'stopped', because: 'budget-spent', detail },
      budget: { rule, ...(customer === undefined ? {} : { customer }) },
    },
  );
}

function waiting(state: RunState, position: Position, output: OverBudget, nowMs: number): RunState {
  const { rule, budget, detail, waitMs = 0, waitMsMax = 0, resetsAt = '', throttle } = output;
  const before = state.budgetWait;
  const sinceMs = before?.sinceMs ?? nowMs;
  const endMs = sinceMs + waitMsMax;
  if (nowMs >= endMs)
    return afterStop(
      state,
      throttle === true ? 'throttled' : 'budget-spent',
      `${detail} The call waited for it for ${nowMs - sinceMs} ms; ${waitMsMax} ms are allowed.`,
    );
  const { budgetChanged, ...rest } = state;
  const untilMs = budgetChanged === true ? nowMs : Math.min(nowMs + waitMs, endMs);
  const waits: RunState = {
    ...rest,
    budgetWait: { rule, sinceMs, untilMs, resetsAt, ...(throttle === true ? { throttle } : {}) },
  };
  // Said once for each window, and once for all throttles, however often the call looks.
  const isSaid =
    throttle === true
      ? before?.throttle === true
      : before?.rule === rule && before.resetsAt === resetsAt;
  if (isSaid) return waits;
  return throttle === true
    ? withNote(waits, {
        kind: 'model.throttled',
        position,
        body: { throttle: budget, detail },
        state: 'throttled',
      })
    : withNote(waits, {
        kind: 'budget.waiting',
        position,
        body: { budget, until: resetsAt, detail },
        state: 'waiting',
      });
}

function degraded(
  state: RunState,
  position: Position,
  { budget, detail, model = 0 }: OverBudget,
): RunState {
  const { models } = state.input;
  return withNote(
    withoutTokenCount({ ...state, degradedTo: model, fallbacks: state.fallbacks + 1 }),
    {
      kind: 'budget.degraded',
      position,
      body: { budget, from: models[modelIndexNow(state)] ?? '', to: models[model] ?? '', detail },
    },
  );
}
