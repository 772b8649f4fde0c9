/** Which of an agent's models a call is made with, and why: what of it crosses the durable boundary. */
import type { Hash } from './agent-run.ts';
import type { Position } from './positions.ts';

/** Where the confidence in an output comes from. */
export interface ConfidencePolicy {
  /** A number of the output, by its name. Absent: a function says it. */
  readonly field?: string;
  /** From 0 to 1. */
  readonly atLeast: number;
}

/** Begins with a small model, and asks a larger one where its final reply will not do. */
export interface CascadePolicy {
  /** The tier that a step begins with where no route says another, from 0. */
  readonly from: number;
  readonly confidence?: ConfidencePolicy;
}

/** What ends a run before its model says so. */
export type StopPolicy =
  | { readonly kind: 'function' }
  | ({ readonly kind: 'confidence' } & ConfidencePolicy);

/** What the state chooses for the present step. Carried by continue as new. */
export interface ModelChoice {
  /** Where the model that was chosen stands in the agent's list, from 0. */
  readonly wanted: number;
  /** The one that is asked: another where the one before it cannot be reached. */
  readonly index: number;
  /** In words, for the journal. */
  readonly because: string;
  /** Times that a larger model was asked because a reply would not do. */
  readonly ups: number;
}

/** What a route is told of its run beside the input. It reaches histories as the input of `routeModel`. */
export interface RouteFacts {
  /** The step that is about to begin, from 1. */
  readonly step: number;
  /** Of a session, from 1. */
  readonly turn?: number;
  /** About: what the provider counted up to the last reply, and a token for each 4 bytes of what is new. */
  readonly promptTokens: number;
  /** The tier, or the fallback model, that gave the last reply. */
  readonly lastModel?: string;
  /** The tools of the step before, in the model's order. */
  readonly toolCalls: readonly string[];
  /** How many of them came to nothing. */
  readonly toolErrors: number;
  /** Of the run so far, its sub-agents included. */
  readonly spentMicroUsd: number;
}

export interface RouteModelInput {
  /** `7/route`. */
  readonly position: Position;
  readonly definition: Hash;
  /** Where the run's first message stands. */
  readonly chain: number;
  readonly customer?: string;
  readonly facts: RouteFacts;
}

export type RouteModelOutput = {
  /** Hash of the input: local activity markers hold none. */
  readonly input: Hash;
  readonly tookMs?: number;
} & (
  | {
      readonly kind: 'routed';
      /** The tier, from 0. Absent: the one that a step begins with. */
      readonly tier?: number;
      readonly because?: string;
    }
  /** The function threw, or named no tier: the run fails with these words. */
  | { readonly kind: 'failed'; readonly problem: string }
);
