import type { z } from 'zod';
import type { EscalationCause } from '../contracts/definitions.ts';
import type { Cache } from './cache-policy.ts';
import type { Duration } from './duration.ts';
import type { Cascade, Check, Route, StopWhen } from './routing-spec.ts';
import type { Tool } from './tool.ts';
import type { Ask } from './tool-spec.ts';

/**
 * What one run may use up. Reaching a limit stops the run: an outcome, not a failure. A caller of
 * `start` may lower each, never raise it.
 */
export interface Limits {
  /** US dollars; fractions of a micro-dollar are dropped. Default: 1. */
  readonly costUsd?: number;
  /** Input and output tokens of all attempts. Default: 1,000,000. */
  readonly tokens?: number;
  /** Model calls; repairs and fallbacks of one do not count. Default: 40; at most 1,000. */
  readonly steps?: number;
  /** Working time, waits for humans excluded. Default: '2 hours'; at most 30 days. */
  readonly wall?: Duration;
  /** Output tokens of one model call. Default: 4,096. */
  readonly outputTokens?: number;
  /** Tokens of one prompt. Default: 128,000. */
  readonly contextTokens?: number;
  /** Tokens of one tool result that the model sees. Default: 16,000, at most `contextTokens`. */
  readonly toolResultTokens?: number;
}

/** A run that goes on with the caller's next message. */
export interface Session {
  /** Waiting so long for the next message ends the run with its last output. Default: '7 days'; at most 365. */
  readonly idle?: Duration;
  /**
   * A message that arrives while the agent works: `queue` begins the next turn with it, `steer` gives
   * it to the model with its next call, `interrupt` also aborts what is in flight and may be.
   * Default: queue.
   */
  readonly whileWorking?: 'queue' | 'steer' | 'interrupt';
}

/** What `defineAgent` takes. */
export interface AgentSpec<
  N extends string,
  I extends z.ZodType | undefined = undefined,
  O extends z.ZodType | undefined = undefined,
> {
  /** 1 to 64 of `a-z 0-9 - _`, a letter or digit first. Runs are found by it: choose it once. */
  readonly name: N;
  /**
   * What the model is told first. A function is called once per run with the parsed input, on a
   * worker; what it gives is recorded.
   */
  readonly instructions:
    | string
    | ((input: I extends z.ZodType ? z.output<I> : string) => string | Promise<string>);
  /** Default: `BELAYER_MODEL` of the worker. */
  readonly model?: string;
  /**
   * In place of `model`: a model for each tier, from small to large, in the order in which they are written:
   * `{ small: 'gpt-5-nano', large: 'gpt-5' }`. Without `route` and `cascade` the first is used. At most 5,
   * `fallbackModels` included.
   */
  readonly models?: Readonly<Record<string, string>>;
  /** Tried in order when the model before, or the largest tier, cannot be reached any more. At most 4. */
  readonly fallbackModels?: readonly string[];
  /** Which tier a step begins with. Asked once for each step. */
  readonly route?: Route<I>;
  /** A final reply that does not fit, does not pass `check` or is not sure enough is asked of the next tier. */
  readonly cascade?: true | Cascade<O>;
  /** Whether an output that fits the schema will do. One that will not is as one that does not fit. */
  readonly check?: Check<I, O>;
  /** Ends the run before its model does: with the results of a step, or on a reply that asks for calls. */
  readonly stopWhen?: StopWhen<I, O>;
  /** What `start` takes. Absent: a string. */
  readonly input?: I;
  /** What a run ends with. Absent: a string. */
  readonly output?: O;
  /** At most 128, their names all different. */
  readonly tools?: readonly Tool[];
  readonly limits?: Limits;
  /** 0 to 2. Absent: as the model's adapter decides. */
  readonly temperature?: number;
  /** One attempt of one model call. Default: '2 minutes'; near: '8 seconds', which is also the most. */
  readonly modelTimeout?: Duration;
  /** `near` is faster for short calls; signals to the run then wait for the call. Default: queue. */
  readonly placement?: { readonly models: 'near' | 'queue' };
  /** Which humans are asked where a tool does not say, field by field. */
  readonly ask?: Ask;
  /**
   * What goes to a human instead of ending the run: a limit is reached (`budget`), no model could do
   * it (`model`), the output does not fit after all repairs (`output`), the model refused (`refusal`).
   */
  readonly escalate?: readonly EscalationCause[];
  /** The run goes on with the next message; then its input is text, without an `input` schema. */
  readonly session?: true | Session;
  /**
   * Replies of its models are kept: a call with the very same prompt (the same model, parameters, tools and messages,
   * the same customer) is answered with one that is young enough, and no model is asked. Tools have a `cache` of
   * their own.
   */
  readonly cache?: Cache;
}
