import type { EntryRef, RunOutcome, StopReason } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import {
  type CallState,
  nextModelPosition,
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
    }
  | { readonly kind: 'run-tools'; readonly calls: readonly CallState[] }
  | { readonly kind: 'ask' }
  | { readonly kind: 'open-requests'; readonly requests: readonly RequestState[] }
  | { readonly kind: 'close-requests'; readonly requests: readonly RequestState[] }
  | { readonly kind: 'expire-requests' }
  | { readonly kind: 'raise-flag' }
  | { readonly kind: 'abort-in-flight' }
  | { readonly kind: 'stop'; readonly because: StopReason; readonly detail: string }
  /** `untilMs`: the earliest deadline of an open request; absent: only what is in flight is awaited. */
  | { readonly kind: 'wait'; readonly humansOnly: boolean; readonly untilMs?: number }
  | { readonly kind: 'continue-as-new' }
  | { readonly kind: 'end'; readonly outcome: RunOutcome; readonly outputAt?: Position };

/**
 * The agent's whole policy, as a pure function of what the run has seen and the workflow's clock.
 *
 * The order is the priority: a human's halt beats everything; what a human decided is put on record
 * before anything else starts; humans are asked before the allowed work beside them runs, so that
 * they need not wait for it; a finished output is never thrown away for a limit; a limit beats
 * further work; and a run ends only when nothing of it is in flight.
 */
export function decideNextStep(state: RunState, nowMs: number): NextStep {
  if (state.halt !== undefined && state.ending === undefined) {
    if (!state.halt.flagged) return { kind: 'raise-flag' };
    if (!state.aborted) return { kind: 'abort-in-flight' };
  }

  const decided = state.requests.filter((request) => request.phase === 'decided');
  if (decided.length > 0) return { kind: 'close-requests', requests: decided };
  const open = state.requests.filter((request) => request.phase === 'open');
  if (open.some((request) => request.deadlineMs <= nowMs)) return { kind: 'expire-requests' };

  const stopping = state.halt !== undefined || state.ending !== undefined;
  // A halted run no longer needs approvals, but an effect that may have happened is still asked about.
  const toOpen = state.requests.filter(
    (request) => request.phase === 'to-open' && (!stopping || request.kind === 'unknown'),
  );
  if (toOpen.length > 0) return { kind: 'open-requests', requests: toOpen };

  const awaited = stopping ? open.filter((request) => request.kind === 'unknown') : open;
  const closing = state.requests.some((request) => request.phase === 'closing');
  if (stopping) {
    if (state.inFlight.length > 0 || awaited.length > 0 || closing) return wait(state, awaited);
    if (state.ending !== undefined) return { kind: 'end', ...state.ending };
    return { kind: 'stop', because: 'halted', detail: state.halt?.reason ?? '' };
  }

  const unasked = state.calls.some(
    (call) =>
      call.phase === 'asking' && !state.requests.some((request) => request.call === call.position),
  );
  if (unasked) return { kind: 'ask' };

  const ready = state.calls.filter((call) => call.phase === 'ready');
  const room = limits.toolCallsInFlightMax - state.inFlight.length;
  const overdue = timeIsUp(state, nowMs);
  if (ready.length > 0 && room > 0 && overdue === undefined)
    return { kind: 'run-tools', calls: ready.slice(0, room) };
  if (state.inFlight.length > 0 || open.length > 0 || closing) return wait(state, open);

  const limit = overdue ?? limitReached(state);
  if (limit !== undefined) return limit;
  if (state.historyLong) return { kind: 'continue-as-new' };
  return {
    kind: 'call-model',
    position: nextModelPosition(state),
    model: state.input.models[state.modelIndex] ?? '',
    entries: pendingEntries(state),
  };
}

function wait(state: RunState, open: readonly RequestState[]): NextStep {
  const humansOnly = state.inFlight.length === 0;
  if (open.length === 0) return { kind: 'wait', humansOnly };
  return {
    kind: 'wait',
    humansOnly,
    untilMs: Math.min(...open.map((request) => request.deadlineMs)),
  };
}

function timeIsUp(state: RunState, nowMs: number): NextStep | undefined {
  const { deadlineMs, limits: own } = state.input;
  if (deadlineMs !== undefined && nowMs >= deadlineMs)
    return {
      kind: 'stop',
      because: 'deadline',
      detail: `The deadline ${new Date(deadlineMs).toISOString()} has passed.`,
    };
  if (workedMsAt(state, nowMs) >= own.wallMs)
    return {
      kind: 'stop',
      because: 'wall-limit',
      detail: `The run has worked for its ${own.wallMs} ms.`,
    };
  return undefined;
}

function limitReached(state: RunState): NextStep | undefined {
  const own = state.input.limits;
  if (state.repairs === 0 && state.step >= own.steps)
    return {
      kind: 'stop',
      because: 'step-limit',
      detail: `The run has made its ${own.steps} steps.`,
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
