/**
 * Names and payloads of what a running agent can be told, as updates (an answer comes back) and as
 * signals (none does). The wire names are documented for applications in any language.
 */
import type { Hash, RequestKind } from './agent-run.ts';
import type { BudgetAsked, BudgetPeriod } from './budgets.ts';
import type { Position } from './positions.ts';

export const workflowType = 'agentRun';
export const taskQueueDefault = 'belayer';

export const message = {
  halt: 'halt',
  pause: 'pause',
  resume: 'resume',
  steer: 'steer',
  approve: 'approve',
  deny: 'deny',
  answer: 'answer',
  extendBudget: 'extendBudget',
  send: 'send',
  budgetChanged: 'budgetChanged',
} as const;
export const query = { state: 'state' } as const;

export interface HaltMessage {
  readonly reason: string;
  readonly by: string;
  /** The sender has raised the run's stop flag already. */
  readonly flagged?: boolean;
}

export interface PauseMessage {
  readonly reason: string;
  readonly by: string;
}

export interface ResumeMessage {
  readonly by: string;
  readonly reason?: string;
}

/** Words to the model, for its next call. */
export interface SteerMessage {
  /** At most `limits.inlineTextBytesMax`. */
  readonly text: string;
  readonly by: string;
}

export interface DecisionMessage {
  /** The request's position: `7.2/approval`. */
  readonly request: Position;
  /** Of the exact arguments that the decider saw. A decision about others is refused. */
  readonly argumentsHash: Hash;
  readonly by: string;
  readonly reason?: string;
  /** Of the row in which the client put the decision on record before it was sent. */
  readonly decision?: string;
  /**
   * Approvals only: other arguments to run with, by hash, as canonical JSON. Over
   * `limits.argumentsInlineBytesMax` the text is in the row of the decision.
   */
  readonly edit?: { readonly argumentsHash: Hash; readonly arguments?: string };
}

/**
 * The answer to a question, or the result of a call that a human knows: "it happened, with this
 * result". JSON, or plain text where the call has no output schema.
 */
export interface AnswerMessage extends Omit<DecisionMessage, 'edit'> {
  /** Over `limits.inlineTextBytesMax` the text is in the row of the decision. */
  readonly answer: { readonly hash: Hash; readonly text?: string };
}

/** What an update answers. */
export interface DecisionReceipt {
  readonly request: Position;
  readonly verdict: 'approved' | 'denied' | 'answered';
  /** Of an edit: of the arguments that will run. */
  readonly argumentsHash?: Hash;
}

/** Amounts are added to the run's limits; at least one is above 0. */
export interface ExtendBudgetMessage {
  readonly by: string;
  readonly reason?: string;
  readonly costMicroUsd?: number;
  readonly tokens?: number;
  readonly steps?: number;
  readonly wallMs?: number;
  /** Of the row in which the client put it on record before it was sent. */
  readonly decision?: string;
}

/** What a run may use up from now on. */
export interface ExtendBudgetReceipt {
  readonly costMicroUsd: number;
  readonly tokens: number;
  readonly steps: number;
  readonly wallMs: number;
  /** The extension answered a request about a shared budget: what was added to that one. The run's own limits stay. */
  readonly shared?: BudgetAsked & {
    readonly costMicroUsd: number;
    readonly tokens: number;
    /** In words, from the client; absent where the budget was removed meanwhile (nothing was added then), or was not read. */
    readonly budget?: string;
    /** Which period it is for, from the client as well. */
    readonly per?: BudgetPeriod;
  };
}

/** The caller's next message in a session. */
export interface SendMessage {
  /** Chosen by the sender: the same id is heard once. */
  readonly id: string;
  readonly by?: string;
  /** Of the rendered message that the client stored, with its UTF-8 bytes. */
  readonly stored?: { readonly hash: Hash; readonly bytes: number };
  /** Instead: the text itself, at most `limits.inlineTextBytesMax`. */
  readonly text?: string;
}

export interface SendReceipt {
  readonly id: string;
  /** The turn whose output answers it, from 1. */
  readonly turn: number;
}

/** Positions and times of what a run is doing now, for the `state` query. */
export interface RunStateView {
  readonly phase:
    | 'working'
    | 'waiting-for-human'
    | 'waiting-for-message'
    | 'waiting-for-budget'
    | 'throttled'
    | 'paused'
    | 'stopping'
    | 'ended';
  readonly step: number;
  readonly inFlight: readonly Position[];
  readonly requests: readonly {
    readonly position: Position;
    readonly kind: RequestKind;
    readonly tool: string;
    readonly argumentsHash: Hash;
    readonly deadlineMs: number;
  }[];
  readonly costMicroUsd: number;
  readonly tokens: number;
  readonly halted?: string;
  readonly paused?: string;
  /** Of a session: the present turn, and the messages that wait for the next. */
  readonly turn?: number;
  readonly messagesWaiting?: number;
}
