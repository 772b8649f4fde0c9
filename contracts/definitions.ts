/**
 * The frozen definition: the JSON part of an agent, by content hash.
 *
 * A run pins one frozen definition when it starts. Functions (`run`, `approval`, `instructions` ...)
 * are not data: they are named here and executed by a worker that has the application.
 */

import type { CascadePolicy, StopPolicy } from './routing.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a tool does to the world. `egress` is a read whose arguments leave the house. */
export type Effect = 'none' | 'read' | 'egress' | 'write';

/** Whether a write may be sent again when nobody knows if it happened. */
export type Repeat = 'safe' | 'keyed' | 'never';

/** `near`: a local activity in the worker that runs the workflow. `queue`: a regular activity. */
export type Placement = 'queue' | 'near';

export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
}

/** How a human is asked about something, and what happens when nobody answers. */
export interface AskPolicy {
  /** After it the consequence happens: the escalation, where there is one, or the request expires. */
  readonly deadlineMs: number;
  /** Who may decide, by the name that a decision gives. Absent: whoever can reach the run. */
  readonly deciders?: readonly string[];
  /** The one level above: these may decide as well, and get this long. Silence is then a no. */
  readonly escalation?: { readonly deadlineMs: number; readonly deciders?: readonly string[] };
  /**
   * Only decisions that Belayer's client wrote to the database first. A raw signal or update proves
   * no more than that its sender holds Temporal's credentials.
   */
  readonly recordedOnly?: true;
}

/** Replies or results that are kept, and given again to equal calls. */
export interface CachePolicy {
  /** How old one may be that is given again. */
  readonly forMs: number;
  /** Shared by all customers. Absent: each customer's own, and runs without one have their own too. */
  readonly public?: true;
}

/** What besides a tool may be put before a human instead of ending the run. */
export type EscalationCause =
  /** A limit of the run is reached: `extendBudget` answers it. */
  | 'budget'
  /** Every model of the chain failed, or refused what it was asked. */
  | 'model'
  /** The output does not fit its schema after all repairs. */
  | 'output'
  /** The model refused. */
  | 'refusal';

/** A run that goes on with the caller's next message. */
export interface SessionPolicy {
  /** Waiting for the next message for so long ends the run with its last output. */
  readonly idleMs: number;
  /**
   * A message that arrives while the agent works: `queue` begins the next turn with it, `steer` gives
   * it to the model with its next call, `interrupt` also aborts what is in flight and may be.
   */
  readonly whileWorking: 'queue' | 'steer' | 'interrupt';
}

/** What the workflow knows of a tool. It reaches history with the run's input. */
export interface ToolPolicy {
  readonly effect: Effect;
  /** Writes only. */
  readonly repeat?: Repeat;
  readonly placement: Placement;
  /** One attempt. For a near tool without a declared timeout see `movesToQueue`. */
  readonly timeoutMs: number;
  /**
   * Set on near tools that declared no timeout: the near attempt is given up after
   * `limits.nearToolMsMax`, and the call goes to the queue with this timeout, in milliseconds.
   */
  readonly movesToQueueMs?: number;
  readonly retry: RetryPolicy;
  /** Set where a human may have to approve; what happens at the deadline is a denial. */
  readonly approvalDeadlineMs?: number;
  /** Set on a sub-agent: the agent that a child run is started for. */
  readonly agent?: string;
  /** How humans are asked about its calls; absent: as the agent's own policy says. */
  readonly ask?: AskPolicy;
  /** The call is a question to a human, and the answer is its result: nothing runs. */
  readonly question?: true;
  /** Where nothing else helps a human is asked, and the model is not told of the failure before. */
  readonly critical?: true;
  /** Tools that are tried in order when its own attempts are used up and nothing happened. */
  readonly fallbacks?: readonly string[];
  /** Its results are kept. Only of effects `none` and `read`. */
  readonly cache?: CachePolicy;
}

/** How one attempt of a tool and the delays between attempts are bounded. Never in a history. */
export interface AttemptPolicy {
  /** Share of each delay that is random, 0 to 1, so that many callers do not come back at once. */
  readonly jitter: number;
  /** All attempts and the delays between them; no attempt begins that could not end before. */
  readonly totalMs?: number;
  /** The tool's own error codes that are not tried again, whatever it says of them. */
  readonly notRetried?: readonly string[];
  /** Silence of the tool's own heartbeats after which an attempt is given up. */
  readonly heartbeatMs?: number;
}

export interface FrozenTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema?: JsonSchema;
  readonly policy: ToolPolicy;
  readonly approval: 'never' | 'always' | 'function';
  /** Writes with `repeat: 'keyed'`: how long the other side remembers a key. */
  readonly keyValidMs?: number;
  readonly verify: boolean;
  /** What the model sees of a result before it is cut, in tokens. */
  readonly resultTokensMax?: number;
  readonly attempt?: AttemptPolicy;
  /** Serves other tools as a fallback only: models do not see it. */
  readonly offered?: false;
}

/** What one run may use up. A caller of `start` may lower each, never raise it. */
export interface RunLimits {
  readonly costMicroUsd: number;
  /** Input and output tokens, all attempts. */
  readonly tokens: number;
  /** Model calls that count as steps; repairs and fallbacks serve a step and do not count. */
  readonly steps: number;
  /** Working time, waits for humans excluded. */
  readonly wallMs: number;
  /** Output tokens of one model call: sent to the provider as its output limit. */
  readonly outputTokens: number;
  /** Tokens of one prompt. */
  readonly contextTokens: number;
  /** Tokens of one tool result that the model sees. */
  readonly toolResultTokens: number;
}

export interface FrozenAgent {
  readonly version: 1;
  readonly name: string;
  readonly instructions:
    | { readonly kind: 'text'; readonly text: string }
    | { readonly kind: 'function' };
  /** The first is used; the next when the one before it cannot be reached any more. */
  readonly models: readonly string[];
  /** Names of the first of `models`, from small to large. */
  readonly tiers?: readonly string[];
  /** A function says which tier a step begins with. */
  readonly route?: true;
  readonly cascade?: CascadePolicy;
  /** A function says whether an output will do. */
  readonly check?: true;
  readonly stopWhen?: StopPolicy;
  readonly modelPlacement: Placement;
  readonly modelTimeoutMs: number;
  readonly temperature?: number;
  /** Absent: the input is a string. */
  readonly inputSchema?: JsonSchema;
  /** Absent: the output is a string. */
  readonly outputSchema?: JsonSchema;
  readonly tools: readonly FrozenTool[];
  readonly limits: RunLimits;
  /** How humans are asked where a tool does not say. */
  readonly ask?: AskPolicy;
  /** What goes to a human instead of ending the run. */
  readonly escalate?: readonly EscalationCause[];
  readonly session?: SessionPolicy;
  /** Replies of its models are kept. */
  readonly cache?: CachePolicy;
  /** The functions that a worker must have, as `tool.refund.run`, `instructions` ... */
  readonly functions: readonly string[];
  readonly buildId: string;
  /** The deployment whose build `buildId` carries its runs out. Absent: any worker does. */
  readonly deployment?: string;
}

/** A definition as it was published: what runs pin. */
export interface PublishedAgent {
  /** SHA-256 of the canonical JSON of `frozen`, base64url, 43 characters. */
  readonly hash: string;
  readonly frozen: FrozenAgent;
}
