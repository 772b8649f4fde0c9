import type { z } from 'zod';
import type {
  AskPolicy,
  AttemptPolicy,
  CachePolicy,
  Effect,
  JsonSchema,
  Placement,
  Repeat,
  RetryPolicy,
} from '../contracts/definitions.ts';
import type { toolBrand } from './brands.ts';

/**
 * What `run` may give without an output schema: anything that JSON can carry, objects with `toJSON`
 * included; `undefined` is kept as null for writes. Checked when it runs, not by the type: what
 * `fetch` brings is `unknown` to TypeScript, and casting it would check nothing either.
 */
export type JsonResult = unknown;

/** With an output schema: what that schema accepts. */
export type ToolResult<O extends z.ZodType | undefined> = O extends z.ZodType
  ? z.input<O>
  : JsonResult;

/** What `verify` found out about a write whose outcome nobody knows. */
export type Verified<O extends z.ZodType | undefined> =
  | { readonly done: true; readonly output: ToolResult<O> }
  | { readonly done: false }
  | { readonly done: 'unknown' };

type LogFields = Readonly<Record<string, unknown>>;

/** One line of the worker's log each, with run, position, attempt and customer added. */
export interface ToolLog {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** What a tool is told about the call that it carries out. */
export interface ToolContext {
  /** The run's id. */
  readonly run: string;
  /** Where the call stands in its run: `7.2` is the second tool call of step 7. */
  readonly position: string;
  /** From 1. */
  readonly attempt: number;
  /** On whose behalf the run works, where the caller of `start` said so. */
  readonly customer?: string;
  /**
   * The same for every attempt of this call, on every worker. Send it with every effect that
   * understands such keys. Never derived from the arguments.
   */
  readonly idempotencyKey: string;
  /** Aborted at the timeout, at a halt and when the worker drains. */
  readonly signal: AbortSignal;
  readonly log: ToolLog;
  /**
   * A secret by name, from the worker's environment. It never reaches a history or a prompt unless
   * the tool puts it there.
   *
   * @throws an error that names the missing secret.
   */
  secret(name: string): string;
  /**
   * Says that the call still gets on. Only a tool with `heartbeat` must: its silence ends the attempt.
   * That the worker lives, Belayer says by itself.
   */
  heartbeat(): void;
  /**
   * Adds what this attempt cost, in US dollars, to the run's spending and to every budget that it is under. Fractions of
   * a micro-dollar are summed, and the sum is rounded up. @throws ToolError  It is below zero, or no number.
   */
  cost(usd: number): void;
}

/** How humans are asked, as far as a definition says it; freezing adds the agent's own and the defaults. */
export type DeclaredAsk = Partial<Omit<AskPolicy, 'escalation'>> & {
  readonly escalation?: Partial<NonNullable<AskPolicy['escalation']>>;
};

/** The part of a tool that is data, with defaults that need no agent already in place. */
export interface ToolData {
  readonly effect: Effect;
  /** Writes only. */
  readonly repeat?: Repeat;
  /** `repeat: 'keyed'` only. */
  readonly keyValidMs?: number;
  /** As frozen: declared, or the default for its effect and timeout. */
  readonly placement: Placement;
  readonly timeoutMs: number;
  readonly movesToQueueMs?: number;
  readonly retry: RetryPolicy;
  /** Set where `approval` is. */
  readonly approvalDeadlineMs?: number;
  /** `approval.deadline` was declared, so that an agent's own deadline does not replace it. */
  readonly ownApprovalDeadline?: true;
  readonly ask?: DeclaredAsk;
  readonly question?: true;
  readonly critical?: true;
  readonly cache?: CachePolicy;
  /** Set where something in it was declared. */
  readonly attempt?: AttemptPolicy;
  readonly resultTokensMax?: number;
  readonly inputSchema: JsonSchema;
  /** Of the result as it is kept, after parsing. */
  readonly outputSchema?: JsonSchema;
}

/** Set on a tool that stands for a run of another agent. */
export interface ChildAgent {
  readonly agent: { readonly name: string };
  /** The agent's input is the `input` field of the arguments, not the arguments. */
  readonly wrapped: boolean;
  /** The arguments have a schema of their own, whose parsed value is the agent's input. */
  readonly parsed: boolean;
}

/** A tool that runs in place of another one whose attempts are used up. */
export interface FallbackTool {
  readonly tool: Tool;
  /** From the parsed arguments of the tool that failed. Absent: the same arguments, as written. */
  input?(failed: unknown): unknown;
}

/**
 * A tool, made by `defineTool` or `agent.asTool`. Its functions can be called in an application's
 * own tests: nothing durable happens then.
 */
export interface Tool<
  I extends z.ZodObject = z.ZodObject,
  O extends z.ZodType | undefined = z.ZodType | undefined,
> {
  readonly [toolBrand]: 1;
  readonly name: string;
  readonly description: string;
  readonly input: I;
  readonly output: O;
  readonly data: ToolData;
  readonly approval: 'never' | 'always' | 'function';
  readonly child: ChildAgent | undefined;
  /** Absent where the definition has none. */
  readonly fallbacks?: readonly FallbackTool[];
  /** Whether a human must approve this call first. What `approval` throws comes through. */
  asksHuman(input: z.output<I>): boolean;
  /** Absent where the definition has none; a write whose outcome is unknown then goes to a human. */
  verify?(input: z.output<I>, ctx: ToolContext): Promise<Verified<O>>;
  run(input: z.output<I>, ctx: ToolContext): ToolResult<O> | Promise<ToolResult<O>>;
}
