/**
 * What crosses the durable boundary of a run: its input, its outcome, and what its activities take
 * and return. All of it reaches histories: add optional fields, never rename.
 *
 * 1. No prompt, tool result or document is in here: content is named by hash and lives in PostgreSQL.
 * 2. Hashes are SHA-256, base64url, 43 characters.
 */
import type { BudgetAsked, OverBudget } from './budgets.ts';
import type {
  AskPolicy,
  EscalationCause,
  Placement,
  RunLimits,
  SessionPolicy,
  ToolPolicy,
} from './definitions.ts';
import type { Position } from './positions.ts';
import type { ModelChoice } from './routing.ts';

export type Hash = string;

export interface AgentRunInput {
  readonly agent: string;
  readonly customer?: string;
  /** The pinned frozen definition. */
  readonly definition: Hash;
  readonly models: readonly string[];
  /** Names of the first of `models`, from small to large. */
  readonly tiers?: readonly string[];
  /** A function says which tier a step begins with. */
  readonly route?: true;
  /** A final reply that will not do is asked of a larger tier. */
  readonly cascade?: { readonly from: number };
  readonly modelPlacement: Placement;
  readonly modelTimeoutMs: number;
  readonly tools: Readonly<Record<string, ToolPolicy>>;
  readonly limits: Pick<RunLimits, 'costMicroUsd' | 'tokens' | 'steps' | 'wallMs'>;
  /** Whether the output has a schema: then a reply that does not fit is repaired. */
  readonly structured: boolean;
  /** The transcript at the start: the caller's own words. */
  readonly transcript: TranscriptHead;
  /** Sub-agents inside sub-agents; 0 for a run that an application started. */
  readonly depth: number;
  /** Milliseconds since the epoch after which no new call starts. */
  readonly deadlineMs?: number;
  readonly ask?: AskPolicy;
  readonly escalate?: readonly EscalationCause[];
  readonly session?: SessionPolicy;
  /** Replies are kept: a model call may wait for an equal one that is under way, beyond its own time. */
  readonly cached?: true;
  /** Of a fork: steps of its parent, which its limit does not count though its positions do. */
  readonly stepsBefore?: number;
  /** How the run tells the time: see `workflows/run-clock.ts`. Absent in runs from before. */
  readonly clock?: 'events';
  /** Set by continue-as-new, and on a fork: what its parent had come to. */
  readonly carried?: CarriedState;
  /**
   * Of a fork: calls whose answer is on record before the run begins, shared with its parent or given by
   * whoever forked. They ask no provider, run no tool and need no approval.
   */
  readonly given?: readonly Position[];
}

/** A chain of messages, by its newest hash. `chain` counts compactions and forks, from 0. */
export interface TranscriptHead {
  readonly chain: number;
  readonly length: number;
  readonly head: Hash;
  /** UTF-8 bytes of all its messages: an upper bound of their tokens without reading them. */
  readonly bytes: number;
  /**
   * Tokens of the whole prompt up to here, as the provider of the model now in use counted them.
   * With the bytes of what is new, a tighter upper bound. Absent until a reply told its usage.
   */
  readonly tokens?: number;
}

/** What one execution of a run hands to the next, at a safe point: nothing is in flight. */
export interface CarriedState {
  readonly step: number;
  readonly transcript: TranscriptHead;
  readonly entries: readonly EntryRef[];
  readonly spent: Spent;
  readonly workedMs: number;
  readonly modelIndex: number;
  readonly repairs: number;
  readonly startedAtMs: number;
  readonly executions: number;
  /** The rest is absent where nothing happened that it tells of. */
  readonly limits?: AgentRunInput['limits'];
  readonly paused?: { readonly reason: string; readonly by: string };
  /** Escalations of the run itself, for their positions. */
  readonly escalations?: number;
  readonly extensions?: number;
  /** Repairs that were made before a human said to go on. */
  readonly repairsForgiven?: number;
  /** Words of operators for the next model call. */
  readonly steers?: readonly EntryRef[];
  readonly session?: CarriedSession;
  /** The next model call waits for a shared budget. */
  readonly budgetWait?: BudgetWait;
  /** How often the next model call was tried another way, for its position: of a fork, and of one that waits. */
  readonly fallbacks?: number;
  readonly interrupts?: number;
  /** Of an agent with tiers: what the next model call was chosen to be. */
  readonly choice?: ModelChoice;
  /** Models that could not be reached, by their place in the list. */
  readonly failed?: readonly number[];
  /** Which model gave the last reply, and counted its tokens. */
  readonly lastModel?: number;
}

/** A model call that waits until a window of a shared budget ends, or until somebody raises it. */
export interface BudgetWait {
  readonly rule: number;
  /** When the call began to wait, for the bound on all its waits. Milliseconds since the epoch. */
  readonly sinceMs: number;
  /** The next try. */
  readonly untilMs: number;
  /** The window's end, ISO 8601, UTC: said once for each. */
  readonly resetsAt: string;
  /** It is a throttle and no budget that it waits for. */
  readonly throttle?: true;
}

export interface CarriedSession {
  /** From 1: the run's input began the first. */
  readonly turn: number;
  /** Step and working time at which it began: a turn has the run's `steps` and `wallMs` to itself. */
  readonly firstStep: number;
  readonly workedMs: number;
  readonly messages: number;
  /** Messages that wait for the next turn. */
  readonly inbox: readonly EntryRef[];
  /** Ids of the newest messages, so that one that is sent again is not heard twice. */
  readonly heard: readonly {
    readonly id: string;
    readonly turn: number;
    /** What was said, by hash or in short: the same id stands for the same words. */
    readonly words: string;
  }[];
  /** Of the last finished turn. */
  readonly last?: { readonly output: Hash; readonly bytes: number; readonly at: Position };
  /** Set between turns. Milliseconds since the epoch. */
  readonly idleSinceMs?: number;
}

export interface Spent {
  readonly costMicroUsd: number;
  readonly tokens: number;
}

/** A message that the next model call appends to the transcript before it sends. */
export type EntryRef =
  /** A tool result, stored by `runTool` at its position. */
  | { readonly at: Position; readonly hash: Hash; readonly bytes: number }
  /** A tool call that got no result of its own: denied, refused, timed out. Rendered by `callModel`. */
  | { readonly at: Position; readonly id: string; readonly error: ToolErrorNote }
  /** Belayer's or an operator's words to the model. A message of a person is at `said/HASH`. */
  | { readonly at: Position; readonly say: string };

/** Closed list: `docs/failures.md` says what each means. */
export const toolErrorCode = {
  badArguments: 'bad_arguments',
  unknownTool: 'unknown_tool',
  timeout: 'timeout',
  unavailable: 'unavailable',
  failed: 'failed',
  badOutput: 'bad_output',
  emptyOutput: 'empty_output',
  resultTooLarge: 'result_too_large',
  denied: 'denied',
  notDone: 'not_done',
  outcomeUnknown: 'outcome_unknown',
  tooManyCalls: 'too_many_calls',
  budgetSpent: 'budget_spent',
  halted: 'halted',
  unanswered: 'unanswered',
  interrupted: 'interrupted',
  skipped: 'skipped',
} as const;

/** A code of `toolErrorCode`, or the tool's own: lower case, digits and `_`, at most 64 characters. */
export interface ToolErrorNote {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly attempts: number;
  readonly hint?: string;
}

// --- callModel -----------------------------------------------------------------------------------

export interface CallModelInput {
  readonly position: Position;
  readonly definition: Hash;
  readonly model: string;
  readonly transcript: TranscriptHead;
  readonly entries: readonly EntryRef[];
  readonly timeoutMs: number;
  /** Set for near calls, whose inputs no history event holds: the result then carries `input`. */
  readonly near?: true;
  /** Of the run: a stop flag of the customer aborts the call. */
  readonly customer?: string;
  /** The reply is on record: no provider is asked. */
  readonly given?: true;
  /** Of an agent with tiers: why it is this model. */
  readonly choice?: string;
  /** A larger tier is left: a final reply that will not do is not taken. */
  readonly mayRaise?: true;
}

export interface ProposedCall {
  /** The provider's id of the call: it ties the result to it in the transcript. */
  readonly id: string;
  readonly tool: string;
  /** Canonical JSON. Absent over `limits.argumentsInlineBytesMax`: then `runTool` reads them from the reply. */
  readonly arguments?: string;
  readonly argumentsHash: Hash;
  /** `approval` said that a human must be asked. */
  readonly ask?: true;
  /** The call can never run: unknown tool, arguments that do not fit. */
  readonly error?: ToolErrorNote;
}

export type CallModelOutput = { readonly input?: Hash; readonly tookMs?: number } & (
  | {
      readonly kind: 'calls';
      readonly transcript: TranscriptHead;
      readonly cost: Spent;
      readonly calls: readonly ProposedCall[];
    }
  | {
      readonly kind: 'final';
      readonly transcript: TranscriptHead;
      readonly cost: Spent;
      /** The output's canonical JSON; its bytes are in the ledger at this position. */
      readonly output: Hash;
      readonly outputBytes: number;
      /** Ids of calls beside it that are not made, since `stopWhen` ended the run. */
      readonly skipped?: readonly string[];
    }
  | {
      /** A final reply that will not do: it is no part of the transcript, and a larger model is asked. */
      readonly kind: 'rejected';
      readonly cost: Spent;
      readonly because: string;
    }
  | {
      /** The output did not fit its schema: `problem` is what the model is told. */
      readonly kind: 'misfit';
      readonly transcript: TranscriptHead;
      readonly cost: Spent;
      readonly problem: string;
    }
  | {
      readonly kind: 'refused';
      readonly transcript: TranscriptHead;
      readonly cost: Spent;
    }
  | { readonly kind: 'stopped'; readonly because: StopReason; readonly detail: string }
  /** A budget that it shares with other runs has no room for it. */
  | OverBudget
  | { readonly kind: 'halted'; readonly reason: string }
  /** A message of its session ended it. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'conflict' }
);

// --- runTool -------------------------------------------------------------------------------------

export interface RunToolInput {
  readonly position: Position;
  readonly definition: Hash;
  readonly id: string;
  readonly tool: string;
  readonly arguments?: string;
  readonly argumentsHash: Hash;
  readonly timeoutMs: number;
  /** Attempts of the retry policy, so that the last one reports instead of throwing. */
  readonly attemptsMax: number;
  /** The near attempt answers `slow` instead of failing when its time is over. */
  readonly moves?: true;
  /** A human said that it did not happen: the request's position is the permission to run it again. */
  readonly again?: Position;
  /** Of the model reply that asked for it, where long arguments are read. */
  readonly from: Position;
  /** Of the run: a read has no claim that could bring it. */
  readonly customer?: string;
  /** A fallback or a human is next: a failure that may pass is `exhausted`, and not told to the model. */
  readonly waysOut?: true;
  /** The approval by which a human changed the arguments: the model is told which ones ran. */
  readonly edited?: Position;
  /** It runs in place of this tool, which failed with this code: the model is told. */
  readonly instead?: { readonly tool: string; readonly code: string };
  /** Tries before the first of this activity, so that a human's word gives new ones. */
  readonly attemptsBefore?: number;
  /** The result is on record: nothing runs. */
  readonly given?: true;
}

export type RunToolOutput = {
  /** Hash of the input: local activity markers hold none. */
  readonly input: Hash;
  /** Of a near call that took `limits.nearCallToldMsMin` or more: the run's clock has no other word of it. */
  readonly tookMs?: number;
} & (
  | {
      readonly kind: 'done';
      readonly status: 'ok' | 'failed';
      /** Of the message that the model will see. */
      readonly hash: Hash;
      readonly bytes: number;
      /** Why it failed, from the closed list or the tool's own. */
      readonly code?: string;
      readonly costMicroUsd?: number;
      /** Where the value came from. A constant until labels are computed. */
      readonly label: 'U';
    }
  /** Nobody knows whether the effect happened: a human is asked. */
  | {
      readonly kind: 'unknown';
      readonly detail: string;
      /** Made so far: where a human lets it run again, they count no more. */
      readonly attempts?: number;
    }
  /** Its attempts are used up, and nothing happened outside: the next way out is tried. */
  | { readonly kind: 'exhausted'; readonly error: ToolErrorNote; readonly costMicroUsd?: number }
  /** The near attempt took too long; the queue is next. */
  | { readonly kind: 'slow' }
  | { readonly kind: 'halted'; readonly reason: string }
  /** A message of its session ended it. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'conflict' }
);

// --- requests, children, the end -----------------------------------------------------------------

export type RequestKind = 'approval' | 'unknown' | 'escalation' | 'question';

export interface OpenRequestInput {
  readonly position: Position;
  readonly kind: RequestKind;
  /** Empty for an escalation of the run itself, which has no arguments either. */
  readonly tool: string;
  readonly argumentsHash: Hash;
  readonly arguments?: string;
  readonly from: Position;
  readonly id: string;
  readonly deadlineMs: number;
  readonly detail?: string;
  /** The call that it is about, where its attempts are the evidence. */
  readonly call?: Position;
  /** Of an escalation. */
  readonly about?: EscalationCause | 'tool';
  readonly deciders?: readonly string[];
  /** Milliseconds since the epoch: the deadline after the escalation, where there is one. */
  readonly escalatesTo?: { readonly deadlineMs: number; readonly deciders?: readonly string[] };
  readonly edited?: Position;
  /** Of an escalation about a shared budget: approving it tries again. */
  readonly budget?: BudgetAsked;
}

/** The same request was decided before: Temporal was told to reset the run. */
export interface OpenRequestOutput {
  readonly decided?: Omit<CloseRequestInput, 'position'>;
}

export type Verdict = 'approved' | 'denied' | 'expired' | 'withdrawn' | 'answered' | 'extended';

export interface CloseRequestInput {
  readonly position: Position;
  /** Of the request. Absent in histories from before edits and answers. */
  readonly argumentsHash?: Hash;
  readonly verdict: Verdict;
  readonly by: string;
  readonly via: 'update' | 'signal' | 'deadline' | 'run';
  readonly reason?: string;
  /** Of the row that the client wrote before it sent the decision. */
  readonly decision?: string;
  /** The decision counts only where that row says the same. */
  readonly recordedOnly?: true;
  /** Other arguments to run with. `arguments` over `limits.argumentsInlineBytesMax` are in the row. */
  readonly edit?: { readonly argumentsHash: Hash; readonly arguments?: string };
  /** The result of the call, as JSON or text; longer ones are in the row. */
  readonly answer?: { readonly hash: Hash; readonly text?: string };
  /** The call that an edit or an answer is for. */
  readonly call?: {
    readonly position: Position;
    readonly id: string;
    readonly tool: string;
    readonly argumentsHash: Hash;
    readonly definition: Hash;
  };
}

/** Absent in histories from before edits and answers. */
export interface CloseRequestOutput {
  /** It does not count, and why: the request is open again. */
  readonly refused?: string;
  readonly edited?: { readonly argumentsHash: Hash; readonly arguments?: string };
  readonly result?: RunToolOutput;
}

/** Nobody answered in time: the level above is asked. */
export interface EscalateRequestInput {
  readonly position: Position;
  readonly deadlineMs: number;
  readonly deciders?: readonly string[];
}

/** Something that happened to the run itself, for those who watch it. */
export interface NoteEventInput {
  readonly kind:
    | 'run.paused'
    | 'run.resumed'
    | 'run.steered'
    | 'message.received'
    | 'turn.started'
    | 'turn.ended'
    | 'budget.waiting'
    | 'budget.degraded'
    | 'model.throttled';
  readonly position?: Position;
  readonly body: Readonly<Record<string, unknown>>;
  /** What the run does from now on, where runs are listed. */
  readonly state?: 'running' | 'paused' | 'waiting' | 'throttled';
}

/** Raises the ceilings of the run's own budget. Amounts are added to what they are. */
export interface ExtendBudgetInput {
  readonly costMicroUsd: number;
  readonly tokens: number;
  readonly steps: number;
  readonly wallMs: number;
  readonly by: string;
  readonly via: 'update' | 'signal';
  readonly reason?: string;
  /** Counts the extensions of a run, so that one is made once. */
  readonly number: number;
  /** Of the row that the client wrote before it sent the extension. */
  readonly decision?: string;
  /** The extension counts only where that row says the same. */
  readonly recordedOnly?: true;
  /** It is a shared budget that is raised: its present window, or what this run has under it. */
  readonly budget?: BudgetAsked;
}

export interface ExtendBudgetOutput {
  /** It does not count, and why. */
  readonly refused?: string;
}

export interface ProposeFallbackInput {
  readonly definition: Hash;
  /** Of the fallback: `7.2/fallback-1`. */
  readonly position: Position;
  /** The tool that failed, and which of its fallbacks is next, from 0. */
  readonly tool: string;
  readonly index: number;
  readonly arguments?: string;
  readonly argumentsHash: Hash;
  readonly from: Position;
  readonly id: string;
  readonly edited?: Position;
}

export interface OpenChildInput {
  readonly position: Position;
  readonly agent: string;
  /** The calling agent and its tool: two tools may stand for one agent, each with its own arguments. */
  readonly caller: string;
  readonly tool: string;
  readonly arguments?: string;
  readonly argumentsHash: Hash;
  readonly from: Position;
  readonly id: string;
  readonly depth: number;
}

export type OpenChildOutput =
  | { readonly kind: 'opened'; readonly run: string; readonly start: AgentRunInput }
  /** The child cannot run: its result is already stored at the position. */
  | { readonly kind: 'closed'; readonly result: RunToolOutput }
  /** It cannot even be opened: the model is told why. */
  | { readonly kind: 'refused'; readonly error: ToolErrorNote }
  | { readonly kind: 'halted'; readonly reason: string };

export interface CloseChildInput {
  readonly position: Position;
  readonly id: string;
  readonly run: string;
  readonly argumentsHash: Hash;
  readonly tool: string;
}

export interface CloseRunInput {
  readonly outcome: RunOutcome;
  /** Where the output's bytes are, for a run that is done. */
  readonly outputAt?: Position;
  readonly steps: number;
}

export type StopReason =
  | 'halted'
  | 'budget-spent'
  | 'throttled'
  | 'cost-limit'
  | 'token-limit'
  | 'step-limit'
  | 'wall-limit'
  | 'deadline'
  | 'context-full'
  | 'model-refused'
  | 'ceiling-breached';

/** How a run ended. Reaching a limit is an outcome, not a failure: the caller always gets one of these. */
export type RunOutcome =
  | { readonly kind: 'done'; readonly output: Hash; readonly bytes: number }
  | { readonly kind: 'stopped'; readonly because: StopReason; readonly detail: string }
  | {
      readonly kind: 'failed';
      /** `type` is one of `failureType`, or what an activity's failure was called. */
      readonly failure: { readonly type: string; readonly message: string };
    };

/** Who asked an agent for a run, from inside another workflow. */
export interface StartRunInput {
  readonly agent: string;
  readonly run: string;
  readonly input: unknown;
  readonly customer?: string;
}
