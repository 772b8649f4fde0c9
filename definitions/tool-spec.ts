import type { z } from 'zod';
import type { Duration } from './duration.ts';
import type { ToolContext, ToolResult, Verified } from './tool.ts';

/** What may be asked of a human before the call runs. */
export type Approval<I extends z.ZodObject> =
  | 'always'
  | ((input: z.output<I>) => boolean)
  | {
      readonly when: 'always' | ((input: z.output<I>) => boolean);
      /** After it the call is denied. Default: '24 hours'; at most 365 days. */
      readonly deadline?: Duration;
    };

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
    }
  | {
      /** A read whose arguments leave the house. */
      readonly effect: 'egress';
      readonly repeat?: never;
      readonly keyValid?: never;
      readonly verify?: never;
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
      readonly placement?: 'queue';
    }
  | {
      readonly effect: 'write';
      /** The other side knows `ctx.idempotencyKey` again, so it is sent again within `keyValid`. */
      readonly repeat: 'keyed';
      /** How long the other side remembers a key. Default: '24 hours'; at most 365 days. */
      readonly keyValid?: Duration;
      readonly verify?: Verify<I, O>;
      readonly placement?: 'queue';
    };

/** What `defineTool` takes. */
export type ToolSpec<
  I extends z.ZodObject,
  O extends z.ZodType | undefined = undefined,
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
  /** One attempt. Default: '20 seconds'; at most 1 hour. */
  readonly timeout?: Duration;
  readonly retry?: Retry;
  /** Tokens of a result that the model sees. Default: `toolResultTokens` of the agent. */
  readonly resultTokens?: number;
  /** Not available yet. */
  readonly fallback?: never;
  /** Throw `ToolError` to tell the model why, `NotDone` where a write certainly did not happen. */
  readonly run: (input: z.output<I>, ctx: ToolContext) => ToolResult<O> | Promise<ToolResult<O>>;
};
