import type { RunStateView } from '../contracts/messages.ts';
import { canBeDecided } from './after-humans.ts';
import type { RunState } from './run-state.ts';

/** What the run is doing now, for a query: plain data, no content. */
export function viewRun(state: RunState, nowMs: number): RunStateView {
  const open = state.requests.filter(canBeDecided);
  const { session, paused } = state;
  return {
    phase: phaseOf(state, open.length, nowMs),
    step: state.step,
    inFlight: state.inFlight,
    requests: open.map((request) => ({
      position: request.position,
      kind: request.kind,
      tool: state.calls.find((call) => call.position === request.call)?.proposed.tool ?? '',
      argumentsHash: request.argumentsHash,
      deadlineMs: Number.isFinite(request.deadlineMs) ? request.deadlineMs : 0,
    })),
    costMicroUsd: state.spent.costMicroUsd,
    tokens: state.spent.tokens,
    ...(state.halt === undefined ? {} : { halted: state.halt.reason }),
    ...(paused === undefined ? {} : { paused: paused.reason }),
    ...(session === undefined ? {} : { turn: session.turn, messagesWaiting: session.inbox.length }),
  };
}

function phaseOf(state: RunState, open: number, nowMs: number): RunStateView['phase'] {
  if (state.ending !== undefined) return 'ended';
  if (state.halt !== undefined) return 'stopping';
  if (state.inFlight.length > 0) return 'working';
  if (open > 0) return 'waiting-for-human';
  if (state.paused !== undefined) return 'paused';
  if (nowMs < (state.budgetWait?.untilMs ?? 0))
    return state.budgetWait?.throttle === true ? 'throttled' : 'waiting-for-budget';
  return state.session?.phase === 'waiting' ? 'waiting-for-message' : 'working';
}
