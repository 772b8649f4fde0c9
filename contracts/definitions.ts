/**
 * The frozen definition: the JSON part of an agent, by content hash.
 *
 * A run pins one frozen definition when it starts. Functions (`run`, `approval`, `instructions` ...)
 * are not data: they are named here and executed by a worker that has the application.
 */

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
  readonly modelPlacement: Placement;
  readonly modelTimeoutMs: number;
  readonly temperature?: number;
  /** Absent: the input is a string. */
  readonly inputSchema?: JsonSchema;
  /** Absent: the output is a string. */
  readonly outputSchema?: JsonSchema;
  readonly tools: readonly FrozenTool[];
  readonly limits: RunLimits;
  /** The functions that a worker must have, as `tool.refund.run`, `instructions` ... */
  readonly functions: readonly string[];
  readonly buildId: string;
}

/** A definition as it was published: what runs pin. */
export interface PublishedAgent {
  /** SHA-256 of the canonical JSON of `frozen`, base64url, 43 characters. */
  readonly hash: string;
  readonly frozen: FrozenAgent;
}
