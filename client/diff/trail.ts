/** A run's trail: what happened in it, position by position, as values that can be compared. */
import type { RunOutcome } from '../../contracts/agent-run.ts';
import type { Position } from '../../contracts/positions.ts';

interface TrailCallBase {
  readonly position: Position;
  /** `done`: it has its reply or result; else what is known of it. */
  readonly state: 'done' | 'claimed' | 'open' | 'unknown' | 'not-run';
  readonly attempts: readonly TrailAttempt[];
  readonly costMicroUsd: number;
}

export interface TrailAttempt {
  readonly outcome: string;
  readonly code?: string;
}

export interface ModelTrailCall extends TrailCallBase {
  readonly kind: 'model';
  readonly model: string;
  /** Of the newest attempt that sent one. `messages`: how many it has, without the instructions. */
  readonly prompt?: { readonly hash: string; readonly bytes: number; readonly messages: number };
  readonly reply?: TrailReply;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface TrailReply {
  readonly text?: string;
  readonly refusal?: string;
  /** What the model asked for, in order; arguments as JSON values, or as the text that was none. */
  readonly calls?: readonly { readonly tool: string; readonly arguments: unknown }[];
}

export interface ToolTrailCall extends TrailCallBase {
  readonly kind: 'tool' | 'child';
  /** Of a `child`, the agent. */
  readonly tool: string;
  /** What it ran with: a human may have changed what the model wrote. */
  readonly arguments?: unknown;
  /** Where they were not kept as text: their SHA-256. */
  readonly argumentsHash?: string;
  /** As the model saw it, JSON read; a failure is `{ error: { code, message, ... } }`. */
  readonly result?: unknown;
}

export interface RequestTrailCall {
  readonly kind: 'request';
  readonly position: Position;
  readonly request: string;
  readonly tool: string;
  readonly arguments: unknown;
  readonly verdict: string;
  readonly by?: string;
  readonly reason?: string;
  /** What a human put in place of the arguments. */
  readonly edited?: unknown;
}

/** What was said to the model other than by its tools. */
export interface WordsTrailCall {
  readonly kind: 'words';
  /** Of the model call that saw them first; of the one that would have been next, where none did. */
  readonly position: Position;
  /** From 1, of several before one call. */
  readonly number: number;
  /** `input`: what the run began with. `run`: of an operator, or of Belayer, such as what a reply lacked. */
  readonly from: 'input' | 'person' | 'run';
  readonly text: string;
}

export type TrailCall = ModelTrailCall | ToolTrailCall | RequestTrailCall | WordsTrailCall;

/** Where a run stands, and what it has used: of a run that goes on, at the moment of the reading. */
export interface TrailEnd {
  readonly state: string;
  readonly outcome?: RunOutcome;
  readonly output?: unknown;
  readonly steps: number;
  readonly costMicroUsd: number;
  readonly tokens: number;
  readonly ceilingMicroUsd: number;
}

export interface TrailHead {
  readonly run: string;
  readonly agent: string;
  readonly customer: string;
  readonly from: 'run' | 'imported run' | 'file';
  /** The frozen definition, by its hash. */
  readonly definition: string;
  /** Of a sub-agent's run. */
  readonly parent?: string;
  readonly fork?: { readonly run: string; readonly at: Position };
  /** The run that it was forked from is not here: it is compared from where it was forked. */
  readonly alone?: true;
  /** Values that were redacted when it was exported: they are compared as they stand there. */
  readonly redactedValues: number;
}

/** One message of a transcript, as it is compared. */
export interface TrailMessage {
  readonly at: Position;
  readonly value: unknown;
  /** Canonical JSON of the value, in which a provider's random ids of calls are replaced by positions. */
  readonly text: string;
}

export interface PromptBody {
  /** Everything of the request's body but its messages: model, parameters, tools, output schema. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly system: unknown;
  /** The whole chain; the prompt has the first `length` of it. */
  readonly messages: readonly TrailMessage[];
  readonly length: number;
}

export interface Trail {
  readonly head: TrailHead;
  readonly end: TrailEnd;
  /** In the order of `comparePositions`. */
  readonly calls: readonly TrailCall[];
  /** By position of the model call. */
  readonly prompts: ReadonlyMap<Position, PromptBody>;
}
