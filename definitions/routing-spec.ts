/**
 * What an agent may say about its models and about when it is done. The functions run on a worker, each at most
 * `agentFunctionMsMax` (1.5 seconds); what they say is recorded, and one that throws or says what cannot be ends
 * the run with `FunctionFailed`. They should depend on nothing but what they are given.
 */
import type { z } from 'zod';
import type { RouteFacts } from '../contracts/routing.ts';

/** Of a schema that may be missing: then it is text. */
export type Parsed<S extends z.ZodType | undefined> = S extends z.ZodType ? z.output<S> : string;
type Written<S extends z.ZodType | undefined> = S extends z.ZodType ? z.input<S> : string;

/** What a route is told before each step. */
export interface RouteSeen<Input = unknown> extends RouteFacts {
  /** The run's input, parsed; of a session its first message. */
  readonly input: Input;
  readonly customer?: string;
}

/** A tier, with a reason for the journal; undefined leaves it to the order. */
export type Routed = string | { readonly model: string; readonly because?: string } | undefined;

export type Route<I extends z.ZodType | undefined> = (
  seen: RouteSeen<Parsed<I>>,
) => Routed | Promise<Routed>;

/** From 0 to 1: the name of a number in the output, or what a function makes of the output. */
export type Confidence<O extends z.ZodType | undefined> =
  | (O extends z.ZodType ? Extract<keyof z.output<O>, string> : never)
  | ((output: Parsed<O>) => number | Promise<number>);

export interface Cascade<O extends z.ZodType | undefined> {
  /** The tier that a step begins with. Default: the first. A route that names one comes before it. */
  readonly from?: string;
  /** Together with `atLeast`: an output below it is asked of the next tier. */
  readonly confidence?: Confidence<O>;
  readonly atLeast?: number;
}

export interface CheckSeen<Input = unknown> {
  readonly input: Input;
  /** The model that wrote it. */
  readonly model: string;
  readonly tier?: string;
}

/** True: it will do. False or words: it will not, and the model is told the words. */
export type Check<I extends z.ZodType | undefined, O extends z.ZodType | undefined> = (
  output: Parsed<O>,
  seen: CheckSeen<Parsed<I>>,
) => boolean | string | Promise<boolean | string>;

/** What is looked at before a model is asked with the results of a step, and when a reply asks for calls. */
export interface StopSeen<Input = unknown> {
  readonly input: Input;
  /** The step whose results, or whose calls, these are. */
  readonly step: number;
  /** Before a model call: what the last step's calls came to, as the model would see it. JSON objects are parsed. */
  readonly results: readonly {
    readonly tool: string;
    readonly arguments: unknown;
    readonly result: unknown;
  }[];
  /** Of a reply: what it asks for; nothing of it has run. */
  readonly calls: readonly { readonly tool: string; readonly arguments: unknown }[];
  /** What the reply says beside them. */
  readonly text: string;
}

/** The output, as the model would have written it, and why for the journal. */
export interface Stop<O extends z.ZodType | undefined> {
  readonly output: Written<O>;
  readonly because: string;
}

export type StopWhen<I extends z.ZodType | undefined, O extends z.ZodType | undefined> =
  | ((
      seen: StopSeen<Parsed<I>>,
    ) => false | undefined | Stop<O> | Promise<false | undefined | Stop<O>>)
  /** A reply whose output is that sure ends the run with it; the calls beside it are not made. */
  | { readonly confidence: Confidence<O>; readonly atLeast: number };

/** The functions of an agent whose schemas are unknown. Methods, so that an agent with any input is an `AnyAgent`. */
export interface AgentFunctions {
  route?(seen: RouteSeen): unknown;
  check?(output: unknown, seen: CheckSeen): unknown;
  stopWhen?(seen: StopSeen): unknown;
  'cascade.confidence'?(output: unknown): unknown;
  'stopWhen.confidence'?(output: unknown): unknown;
}
