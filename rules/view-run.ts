import type { RunStateView } from '../contracts/messages.ts';
import type { RunState } from './run-state.ts';

/** What the run is doing now, for a query: plain data, no content. */
export function viewRun(state: RunState): RunStateView {
  const open = state.requests.filter(
    (request) => request.phase === 'open' || request.phase === 'to-open',
  );
  return {
    phase:
      state.ending !== undefined
        ? 'ended'
        : state.halt !== undefined
          ? 'stopping'
          : open.length > 0 && state.inFlight.length === 0
            ? 'waiting-for-human'
            : 'working',
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
  };
}
