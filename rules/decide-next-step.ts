import type {
  EntryRef,
  ExtendBudgetInput,
  NoteEventInput,
  RunOutcome,
  StopReason,
} from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import { type Position, routePosition } from '../contracts/positions.ts';
import type { RouteFacts } from '../contracts/routing.ts';
import { choiceNow, mayRaise, modelIndexNow, needsRoute, routeFacts } from './choose-model.ts';
import {
  type CallState,
  isStopping,
  nextModelPosition,
  pendingBytes,
  pendingEntries,
  type RequestState,
  type RunState,
  workedMsAt,
} from './run-state.ts';

export type NextStep =
  | {
      readonly kind: 'call-model';
      readonly position: Position;
      readonly model: string;
      readonly entries: readonly EntryRef[];
      /** Of an agent with tiers: why it is this model, and whether a larger one may be asked behind it. */
      readonly choice?: string;
      readonly mayRaise?: true;
    }
  /** A function of the application says which model the step begins with. */
  | { readonly kind: 'route'; readonly position: Position; readonly facts: RouteFacts }
  | { readonly kind: 'run-tools'; readonly calls: readonly CallState[] }
  | { readonly kind: 'propose-fallbacks'; readonly calls: readonly CallState[] }
  | { readonly kind: 'ask' }
  | { readonly kind: 'open-requests'; readonly requests: readonly RequestState[] }
  | { readonly kind: 'close-requests'; readonly requests: readonly RequestState[] }
  | { readonly kind: 'expire-requests' }
  | { readonly kind: 'escalate-requests'; readonly requests: readonly RequestState[] }
  | { readonly kind: 'raise-flag' }
  | { readonly kind: 'abort-in-flight' }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'note'; readonly note: NoteEventInput }
  | { readonly kind: 'extend'; readonly extension: ExtendBudgetInput }
  | { readonly kind: 'end-turn' }
  | { readonly kind: 'begin-turn' }
  | { readonly kind: 'end-session' }
  | { readonly kind: 'stop'; readonly because: StopReason; readonly detail: string }
  /** `untilMs`: the earliest deadline of what is awaited; absent: only what is in flight is. */
  | { readonly kind: 'wait'; readonly humansOnly: boolean; readonly untilMs?: number }
  | { readonly kind: 'continue-as-new' }
  | { readonly kind: 'end'; readonly outcome: RunOutcome; readonly outputAt?: Position };

/**
 * The agent's whole policy, as a pure function of what the run has seen and the workflow's clock.
 *
 * The order is the priority: a human's halt beats everything; what a human said is put on record
 * before anything else starts; humans are asked before the allowed work beside them runs, so that
 * they need not wait for it; a pause lets nothing new start and leaves the rest as it is; a finished
 * output is never thrown away for a limit; a limit beats further work; and a run ends only when
 * nothing of it is in flight.
 */
export function decideNextStep(state: RunState, nowMs: number): NextStep {
  if (state.halt !== undefined && state.ending === undefined) {
    if (!state.halt.flagged) return { kind: 'raise-flag' };
    if (!state.aborted) return { kind: 'abort-in-flight' };
  }
  const { notes, toExtend, requests } = state;
  if (notes[0] !== undefined) return { kind: 'note', note: notes[0] };
  if (toExtend[0] !== undefined) return { kind: 'extend', extension: toExtend[0] };

  const decided = requests.filter((request) => request.phase === 'decided');
  if (decided.length > 0) return { kind: 'close-requests', requests: decided };
  const toEscalate = requests.filter((request) => request.phase === 'to-escalate');
  if (toEscalate.length > 0) return { kind: 'escalate-requests', requests: toEscalate };
  const open = requests.filter((request) => request.phase === 'open');
  if (open.some((request) => request.deadlineMs <= nowMs)) return { kind: 'expire-requests' };

  const stopping = isStopping(state);
  // A halted run no longer needs approvals, but an effect that may have happened is still asked about.
  const toOpen = requests.filter(
    (request) => request.phase === 'to-open' && (!stopping || request.kind === 'unknown'),
  );
  if (toOpen.length > 0) return { kind: 'open-requests', requests: toOpen };

  const closing = requests.some((request) => request.phase === 'closing');
  if (stopping) {
    const awaited = open.filter((request) => request.kind === 'unknown');
    if (state.inFlight.length > 0 || awaited.length > 0 || closing) return wait(state, awaited);
    if (state.ending !== undefined) return { kind: 'end', ...state.ending };
    return { kind: 'stop', because: 'halted', detail: state.halt?.reason ?? '' };
  }
  if (state.interrupt === 'wanted') return { kind: 'interrupt' };

  const unasked = state.calls.some(
    (call) =>
      call.phase === 'asking' && !requests.some((request) => request.call === call.position),
  );
  if (unasked) return { kind: 'ask' };
  const falling = state.calls.filter((call) => call.phase === 'falling-back');
  if (falling.length > 0) return { kind: 'propose-fallbacks', calls: falling };

  const ready = state.calls.filter((call) => call.phase === 'ready');
  const room = limits.toolCallsInFlightMax - state.inFlight.length;
  const overdue = timeIsUp(state, nowMs);
  const runnable = ready.length > 0 && room > 0 && overdue === undefined;
  if (runnable && state.paused === undefined)
    return { kind: 'run-tools', calls: ready.slice(0, room) };
  if (state.inFlight.length > 0 || open.length > 0 || closing) return wait(state, open);
  // Its deadline ends a paused run too; its working time stands still.
  if (runnable) return wait(state, open, state.input.deadlineMs);
  return betweenSteps(state, nowMs, overdue);
}

/** Nothing is in flight and nothing of the last step is open. */
function betweenSteps(state: RunState, nowMs: number, overdue: NextStep | undefined): NextStep {
  const { session, input } = state;
  if (session?.phase === 'turn-over') return { kind: 'end-turn' };
  if (session?.phase === 'waiting') {
    const pastDeadline = input.deadlineMs !== undefined && nowMs >= input.deadlineMs;
    if (pastDeadline && overdue !== undefined) return overdue;
    if (session.inbox.length > 0 && state.paused === undefined) return { kind: 'begin-turn' };
    const idleUntilMs = (session.idleSinceMs ?? nowMs) + (input.session?.idleMs ?? 0);
    // A message that waits for the pause to end is no silence.
    const silent = session.inbox.length === 0;
    if (silent && nowMs >= idleUntilMs) return { kind: 'end-session' };
    if (state.historyLong) return { kind: 'continue-as-new' };
    return wait(state, [], Math.min(silent ? idleUntilMs : Infinity, input.deadlineMs ?? Infinity));
  }
  const limit = overdue ?? limitReached(state);
  if (limit !== undefined) return limit;
  // Before continue as new: what the last step's calls came to is not carried.
  if (needsRoute(state))
    return {
      kind: 'route',
      position: routePosition(state.step + 1),
      facts: routeFacts(state, pendingBytes(state)),
    };
  if (state.historyLong) return { kind: 'continue-as-new' };
  if (state.paused !== undefined) return wait(state, [], input.deadlineMs);
  const budgetUntilMs = state.budgetWait?.untilMs ?? 0;
  if (nowMs < budgetUntilMs)
    return wait(state, [], Math.min(budgetUntilMs, input.deadlineMs ?? Infinity));
  return {
    kind: 'call-model',
    position: nextModelPosition(state),
    model: input.models[modelIndexNow(state)] ?? '',
    entries: pendingEntries(state),
    ...(input.tiers === undefined ? {} : { choice: choiceNow(state) }),
    ...(mayRaise(state) ? { mayRaise: true as const } : {}),
  };
}

function wait(state: RunState, open: readonly RequestState[], atMostMs = Infinity): NextStep {
  const humansOnly = state.inFlight.length === 0;
  const untilMs = Math.min(atMostMs, ...open.map((request) => request.deadlineMs));
  return Number.isFinite(untilMs)
    ? { kind: 'wait', humansOnly, untilMs }
    : { kind: 'wait', humansOnly };
}

function timeIsUp(state: RunState, nowMs: number): NextStep | undefined {
  const { deadlineMs } = state.input;
  const { wallMs } = state.limits;
  if (deadlineMs !== undefined && nowMs >= deadlineMs)
    return {
      kind: 'stop',
      because: 'deadline',
      detail: `The deadline ${new Date(deadlineMs).toISOString()} has passed.`,
    };
  // A turn of a session has the run's working time to itself.
  if (workedMsAt(state, nowMs) - (state.session?.workedMs ?? 0) >= wallMs)
    return {
      kind: 'stop',
      because: 'wall-limit',
      detail: `The run has worked for its ${wallMs} ms.`,
    };
  return undefined;
}

function limitReached(state: RunState): NextStep | undefined {
  const own = state.limits;
  if (state.repairs === 0 && state.step - (state.session?.firstStep ?? 0) >= own.steps)
    return {
      kind: 'stop',
      because: 'step-limit',
      detail: madeSteps(own.steps, state.input.stepsBefore),
    };
  if (state.spent.costMicroUsd >= own.costMicroUsd)
    return {
      kind: 'stop',
      because: 'cost-limit',
      detail: `The run has spent ${state.spent.costMicroUsd} of its ${own.costMicroUsd} micro-dollars.`,
    };
  if (state.spent.tokens >= own.tokens)
    return {
      kind: 'stop',
      because: 'token-limit',
      detail: `The run has used ${state.spent.tokens} of its ${own.tokens} tokens.`,
    };
  return undefined;
}

const madeSteps = (steps: number, before = 0): string =>
  before === 0
    ? `The run has made its ${steps} steps.`
    : `The run has made the ${steps - before} steps that it had from where it was forked.`;
