import type { z } from 'zod';
import type {
  CachePolicy,
  EscalationCause,
  JsonSchema,
  Placement,
  RunLimits,
  SessionPolicy,
} from '../contracts/definitions.ts';
import type { agentBrand } from './brands.ts';
import type { RoutingData } from './agent-routing.ts';
import type { AgentFunctions } from './routing-spec.ts';
import type { DeclaredAsk, Tool } from './tool.ts';

/** Of a schema that may be missing: then it is text. */
export type AgentInput<I extends z.ZodType | undefined> = I extends z.ZodType ? z.input<I> : string;
export type AgentOutput<O extends z.ZodType | undefined> = O extends z.ZodType
  ? z.output<O>
  : string;

/** The part of an agent that is data. Models, input and output stand beside it. */
export interface AgentData extends RoutingData {
  /** Without the default of the installation, which freezing adds. */
  readonly model?: string;
  readonly fallbackModels: readonly string[];
  readonly modelPlacement: Placement;
  readonly modelTimeoutMs: number;
  readonly temperature?: number;
  readonly limits: RunLimits;
  readonly inputSchema?: JsonSchema;
  /** What the model must write, before defaults and transforms. */
  readonly outputSchema?: JsonSchema;
  readonly ask?: DeclaredAsk;
  readonly escalate?: readonly EscalationCause[];
  readonly session?: SessionPolicy;
  readonly cache?: CachePolicy;
}

type Instructions = {
  /** A method, so that an agent with any input is an `AnyAgent`. */
  of(input: unknown): string | Promise<string>;
}['of'];

/** Any agent, its name and schemas unknown: what code takes that serves them all. */
export interface AnyAgent {
  readonly [agentBrand]: 1;
  readonly name: string;
  /** A function takes the parsed input. */
  readonly instructions: string | Instructions;
  readonly input: z.ZodType | undefined;
  readonly output: z.ZodType | undefined;
  readonly tools: readonly Tool[];
  readonly functions: AgentFunctions;
  readonly data: AgentData;
}

/** An agent, made by `defineAgent`. Its type carries its name and its schemas to `connect`. */
export interface Agent<
  N extends string = string,
  I extends z.ZodType | undefined = z.ZodType | undefined,
  O extends z.ZodType | undefined = z.ZodType | undefined,
> extends AnyAgent {
  readonly name: N;
  readonly input: I;
  readonly output: O;
  /**
   * A tool that starts a run of this agent and gives its output. The child run has its own limits
   * and its own gate; the parent waits for it. An agent with a `session` has none.
   *
   * @throws BelayerError `DefinitionRejected`, as `defineTool`.
   */
  asTool(options?: AsToolOptions): Tool<ChildArguments<I>, O>;
  /** The same with arguments of its own, whose parsed value is the agent's input. */
  asTool<S extends z.ZodObject>(
    options: AsToolOptions & {
      readonly input: S & (z.output<S> extends AgentInput<I> ? unknown : never);
    },
  ): Tool<S, O>;
}

export interface AsToolOptions {
  /** Default: the agent's name. */
  readonly name?: string;
  /** For the calling model. Default: a sentence with the agent's name. */
  readonly description?: string;
}

/** The agent's own input where it is an object; anything else becomes the field `input`. */
export type ChildArguments<I extends z.ZodType | undefined> = I extends z.ZodObject
  ? I
  : z.ZodObject<{ input: I extends z.ZodType ? I : z.ZodString }>;
