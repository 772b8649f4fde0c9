import type { RequestKind, RunOutcome } from '../contracts/agent-run.ts';
import type { BudgetAsked } from '../contracts/budgets.ts';
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
    readonly budget?: BudgetAsked;
  },
): RunState {
  const { policy, ...rest } = request;
  const ask = askOf(state, policy, request.kind);
  return {
    ...state,
    requests: [
      ...state.requests,
      {
        ...rest,
        ask,
        level: 0,
        deadlineMs: Number.POSITIVE_INFINITY,
        phase: 'to-open',
      },
    ],
  };
}

/** An approval that must be quick is no reason to give up early what nobody knows. */
function askOf(state: RunState, policy: ToolPolicy | undefined, kind: RequestKind): AskPolicy {
  const deadlineMs = kind === 'approval' ? policy?.approvalDeadlineMs : undefined;
  return (
    policy?.ask ?? {
      deadlineMs: limits.approvalDeadlineMsDefault,
      ...state.input.ask,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    }
  );
}
