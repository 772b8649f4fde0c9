import type { z } from 'zod';
import type { Cache } from './cache-policy.ts';
import type { Duration } from './duration.ts';
import type { Tool, ToolContext, ToolResult, Verified } from './tool.ts';

/** Which humans are asked, and what happens when nobody answers. */
export interface Ask {
  /** After it the request goes to `escalateTo`, or is a no. Default: '24 hours'; at most 365 days. */
  readonly deadline?: Duration;
  /** Who may decide, by the name that a decision gives; at most 50. Absent: whoever can reach the run. */
  readonly deciders?: readonly string[];
  /**
   * Who may decide as well once the deadline has passed. Default of its `deadline`: as long again.
   * Silence is then a no. One level, no more.
   */
  readonly escalateTo?: { readonly deciders?: readonly string[]; readonly deadline?: Duration };
  /**
   * Only decisions count that Belayer's client put on record. A raw signal proves no more than that
   * its sender holds Temporal's credentials.
   */
  readonly recordedOnly?: true;
}

/** What may be asked of a human before the call runs. */
export type Approval<I extends z.ZodObject> =
  | 'always'
  | ((input: z.output<I>) => boolean)
  | ({ readonly when: 'always' | ((input: z.output<I>) => boolean) } & Ask);

/** Attempts of one call where another one is allowed: `repeat` decides that for writes. */
export interface Retry {
  /** The first included. Default: 4; at most 50. */
  readonly attempts?: number;
  /** Default: '500ms'. */
  readonly firstDelay?: Duration;
  /** Default: 2. */
  readonly factor?: number;
  /** Default: '30 seconds', or `firstDelay` where that is longer. */
  readonly maxDelay?: Duration;
  /** Share of each delay that is random, 0 to 1. Default: 0.2. */
  readonly jitter?: number;
  /**
   * All attempts and the delays between them, from when the call was first scheduled; at most 24
   * hours. The last attempt has what is left of it. A near call that moves to the queue, and a call
   * that a human lets run again, begin anew. Absent: attempts alone bound a call.
   */
  readonly within?: Duration;
  /** Codes of the tool's own errors that are not tried again, whatever the error says. At most 50. */
  readonly not?: readonly string[];
}

/** A tool that runs in place of this one, when its attempts are used up and nothing happened. */
export interface Fallback<I extends z.ZodObject, T extends Tool = Tool> {
  /** No sub-agent, no question to a human, and without fallbacks of its own. */
  readonly tool: T;
  /** The arguments of that tool. Absent: the same arguments, which must fit it. */
  readonly input?: (failed: z.output<I>) => z.input<T['input']>;
}

type Verify<I extends z.ZodObject, O extends z.ZodType | undefined> = (
  input: z.output<I>,
  ctx: ToolContext,
) => Promise<Verified<O>>;

/** What a tool does to the world decides which keys it must and must not have. */
type EffectSpec<I extends z.ZodObject, O extends z.ZodType | undefined> =
  | {
      /** `none`: computes. `read`: asks a system that you trust with the arguments. */
      readonly effect: 'none' | 'read';
      readonly repeat?: never;
      readonly keyValid?: never;
      readonly verify?: never;
      /**
       * `near` runs inside the worker that decides, at most 2 seconds; `queue` as a task of its own.
       * Default: near, unless `timeout` is over 2 seconds. A near tool without a timeout that takes
       * longer moves to the queue by itself.
       */
      readonly placement?: 'near' | 'queue';
      /**
       * Its results are kept: an equal call (this tool as it is described and built now, the same arguments, the
       * same customer) is answered with one that is young enough, and the tool does not run. Not beside `approval`,
       * and not for a tool whose answer depends on anything but its arguments and the customer.
       */
      readonly cache?: Cache;
    }
  | {
      /** A read whose arguments leave the house. */
      readonly effect: 'egress';
      readonly repeat?: never;
      readonly keyValid?: never;
      readonly verify?: never;
      readonly cache?: never;
      readonly placement?: 'queue';
    }
  | {
      /** Changes something outside: money, mail, files, rows. */
      readonly effect: 'write';
      /**
       * When nobody knows whether it happened. `safe`: sending it again changes nothing more.
       * `never`: `verify` or a human is asked.
       */
      readonly repeat: 'safe' | 'never';
      readonly keyValid?: never;
      readonly verify?: Verify<I, O>;
      readonly cache?: never;
      readonly placement?: 'queue';
    }
  | {
      readonly effect: 'write';
      /** The other side knows `ctx.idempotencyKey` again, so it is sent again within `keyValid`. */
      readonly repeat: 'keyed';
      /** How long the other side remembers a key. Default: '24 hours'; at most 365 days. */
      readonly keyValid?: Duration;
      readonly verify?: Verify<I, O>;
      readonly cache?: never;
      readonly placement?: 'queue';
    };

/** What `defineTool` takes. */
export type ToolSpec<
  I extends z.ZodObject,
  O extends z.ZodType | undefined = undefined,
  F extends readonly Tool[] = readonly Tool[],
> = EffectSpec<I, O> & {
  /** 1 to 64 of `a-z A-Z 0-9 _ -`: the rule of the model providers. */
  readonly name: string;
  /** For the model: what the tool does and when to use it. At most 8 KiB. */
  readonly description: string;
  /** Arguments that do not fit never reach `run`: the model is told what is wrong. */
  readonly input: I;
  /** Checked after `run`. Absent: any JSON value. */
  readonly output?: O;
  /** Default: no human is asked. */
  readonly approval?: Approval<I>;
  /**
   * Which humans are asked about this tool, where `approval` does not say: before a call, about an
   * unknown outcome, and about the failure of a critical tool. What it leaves open is as the agent's
   * own `ask` says. Not beside an `approval` that says more than `when`.
   */
  readonly ask?: Ask;
  /** One attempt. Default: '20 seconds'; at most 1 hour. */
  readonly timeout?: Duration;
  readonly retry?: Retry;
  /**
   * A long tool promises to call `ctx.heartbeat()` at least that often: longer silence ends the
   * attempt as a timeout. Shorter than `timeout`. Absent: only `timeout` ends it.
   */
  readonly heartbeat?: Duration;
  /**
   * Tried in order, at most 3, when this tool's attempts are used up; for a write only where it is
   * known that nothing happened. Each runs with its own approval, timeout and attempts. The model does
   * not see tools that the agent does not offer itself.
   */
  readonly fallback?: { readonly [K in keyof F]: Fallback<I, F[K]> };
  /** Where nothing else helps a human is asked, and the model is not told of the failure before. */
  readonly critical?: true;
  /** Tokens of a result that the model sees. Default: `toolResultTokens` of the agent. */
  readonly resultTokens?: number;
  /** Throw `ToolError` to tell the model why, `NotDone` where a write certainly did not happen. */
  readonly run: (input: z.output<I>, ctx: ToolContext) => ToolResult<O> | Promise<ToolResult<O>>;
};
