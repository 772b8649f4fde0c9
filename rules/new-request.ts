import type { RequestKind, RunOutcome } from '../contracts/agent-run.ts';
import type { AskPolicy, EscalationCause, ToolPolicy } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import type { RunState } from './run-state.ts';

/** Adds a question to a human, to be opened; who is asked, and for how long, is the tool's or the agent's word. */
export function newRequest(
  state: RunState,
  request: {
    readonly position: Position;
    readonly call: Position;
    readonly kind: RequestKind;
    readonly about?: EscalationCause | 'tool';
    readonly argumentsHash: string;
    readonly policy?: ToolPolicy;
    readonly detail?: string;
    readonly otherwise?: RunOutcome;
  },
): RunState {
  const { policy, ...rest } = request;
  return {
    ...state,
    requests: [
      ...state.requests,
      {
        ...rest,
        ask: askOf(state, policy),
        level: 0,
        deadlineMs: Number.POSITIVE_INFINITY,
        phase: 'to-open',
      },
    ],
  };
}

const askOf = (state: RunState, policy: ToolPolicy | undefined): AskPolicy =>
  policy?.ask ?? {
    deadlineMs: limits.approvalDeadlineMsDefault,
    ...state.input.ask,
    ...(policy?.approvalDeadlineMs === undefined ? {} : { deadlineMs: policy.approvalDeadlineMs }),
  };
