import type { z } from 'zod';
import type { Duration } from './duration.ts';
import type { Tool } from './tool.ts';

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
  /** Tried in order when the model before cannot be reached any more. At most 4. */
  readonly fallbackModels?: readonly string[];
  /** Not available yet. */
  readonly models?: never;
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
}
