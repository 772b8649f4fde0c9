/**
 * Names and payloads of what a running agent can be told, as updates (an answer comes back) and as
 * signals (none does). The wire names are documented for applications in any language.
 */
import type { Hash } from './agent-run.ts';
import type { Position } from './positions.ts';

export const workflowType = 'agentRun';
export const taskQueueDefault = 'belayer';

export const message = { halt: 'halt', approve: 'approve', deny: 'deny' } as const;
export const query = { state: 'state' } as const;

export interface HaltMessage {
  readonly reason: string;
  readonly by: string;
  /** The sender has raised the run's stop flag already. */
  readonly flagged?: boolean;
}

export interface DecisionMessage {
  /** The request's position: `7.2/approval`. */
  readonly request: Position;
  /** Of the exact arguments that the decider saw. A decision about others is refused. */
  readonly argumentsHash: Hash;
  readonly by: string;
  readonly reason?: string;
}

/** What an update answers. */
export interface DecisionReceipt {
  readonly request: Position;
  readonly verdict: 'approved' | 'denied';
}

/** Positions and times of what a run is doing now, for the `state` query. */
export interface RunStateView {
  readonly phase: 'working' | 'waiting-for-human' | 'stopping' | 'ended';
  readonly step: number;
  readonly inFlight: readonly Position[];
  readonly requests: readonly {
    readonly position: Position;
    readonly kind: 'approval' | 'unknown';
    readonly tool: string;
    readonly argumentsHash: Hash;
    readonly deadlineMs: number;
  }[];
  readonly costMicroUsd: number;
  readonly tokens: number;
  readonly halted?: string;
}
