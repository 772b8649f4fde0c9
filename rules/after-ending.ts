/** What would end a run: it ends, or, where the agent says so, a human is asked first. */
import type { RunOutcome, StopReason } from '../contracts/agent-run.ts';
import type { EscalationCause } from '../contracts/definitions.ts';
import { escalationPosition, type Position } from '../contracts/positions.ts';
import { newRequest } from './new-request.ts';
import { nextModelPosition, type RunState } from './run-state.ts';

export function afterStop(state: RunState, because: StopReason, detail: string): RunState {
  if (state.ending !== undefined) return state;
  return { ...state, ending: { outcome: { kind: 'stopped', because, detail } } };
}

export function afterFailure(state: RunState, type: string, text: string): RunState {
  if (state.ending !== undefined) return state;
  return { ...state, ending: { outcome: { kind: 'failed', failure: { type, message: text } } } };
}

/** A limit is reached: of those that a human may raise, a human is asked where the agent says so. */
export function afterLimit(state: RunState, because: StopReason, detail: string): RunState {
  return raisable.has(because)
    ? escalated(state, 'budget', { kind: 'stopped', because, detail })
    : afterStop(state, because, detail);
}

const raisable = new Set<StopReason>(['cost-limit', 'token-limit', 'step-limit', 'wall-limit']);

/** Puts it before a human where the agent's `escalate` names it, else ends the run that way. */
export function escalated(
  state: RunState,
  about: EscalationCause,
  otherwise: RunOutcome,
  base: Position = nextModelPosition(state),
): RunState {
  // A sub-agent's ceiling is carved out of its parent's: only there can it be raised.
  const asks =
    state.input.escalate?.includes(about) === true &&
    (about !== 'budget' || state.input.depth === 0) &&
    state.halt === undefined &&
    state.ending === undefined;
  if (!asks)
    return state.ending === undefined ? { ...state, ending: { outcome: otherwise } } : state;
  const time = state.escalations + 1;
  return newRequest(
    { ...state, escalations: time },
    {
      position: escalationPosition(base, time),
      call: '',
      kind: 'escalation',
      about,
      argumentsHash: '',
      detail: describe(otherwise),
      otherwise,
    },
  );
}

function describe(outcome: RunOutcome): string {
  switch (outcome.kind) {
    case 'stopped':
      return outcome.detail;
    case 'failed':
      return `${outcome.failure.type}: ${outcome.failure.message}`;
    case 'done':
      return '';
    default:
      return outcome satisfies never;
  }
}
