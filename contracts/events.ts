/** What `watch` yields: one row per event, numbered by the run itself, without gaps, from 1. */
import type { Hash, StopReason } from './agent-run.ts';
import type { Position } from './positions.ts';

interface EventBase {
  readonly run: string;
  readonly number: number;
  /** ISO 8601, UTC, the database's clock. */
  readonly at: string;
}

export type RunEvent = EventBase &
  (
    | { readonly kind: 'run.started'; readonly agent: string; readonly customer?: string }
    | {
        readonly kind: 'model.replied';
        readonly position: Position;
        readonly model: string;
        readonly attempt: number;
        readonly costMicroUsd: number;
        readonly inputTokens: number;
        readonly outputTokens: number;
        readonly latencyMs: number;
        /** What the model asked for; the results come as `tool.finished` at `7.1`, `7.2` ... */
        readonly calls: readonly {
          readonly tool: string;
          /** The call can never run, and the model is told this code. */
          readonly refused?: string;
        }[];
        readonly outcome: 'calls' | 'final' | 'misfit' | 'refused';
      }
    | {
        readonly kind: 'model.failed';
        readonly position: Position;
        readonly model: string;
        readonly attempt: number;
        readonly type: string;
        readonly retryable: boolean;
      }
    | {
        readonly kind: 'tool.finished';
        readonly position: Position;
        readonly tool: string;
        readonly attempt: number;
        readonly status: 'ok' | 'failed';
        readonly code?: string;
        readonly latencyMs: number;
      }
    | {
        readonly kind: 'tool.failed';
        readonly position: Position;
        readonly tool: string;
        readonly attempt: number;
        readonly code: string;
        readonly next: 'retry' | 'ask' | 'queue' | 'verify';
      }
    | {
        readonly kind: 'request.opened';
        readonly position: Position;
        readonly request: 'approval' | 'unknown';
        readonly tool: string;
        readonly argumentsHash: Hash;
        readonly deadline: string;
      }
    | {
        readonly kind: 'request.closed';
        readonly position: Position;
        readonly verdict: 'approved' | 'denied' | 'expired' | 'withdrawn';
        readonly by: string;
      }
    | { readonly kind: 'child.started'; readonly position: Position; readonly child: string }
    | { readonly kind: 'run.halting'; readonly reason: string; readonly by: string }
    | { readonly kind: 'run.waiting'; readonly reason: 'no-worker'; readonly detail: string }
    | {
        readonly kind: 'run.ended';
        readonly outcome: 'done' | 'stopped' | 'failed';
        readonly because?: StopReason;
        readonly detail?: string;
        readonly costMicroUsd: number;
        readonly tokens: number;
        readonly steps: number;
      }
  );

/** Pieces of a reply while it is being written. Not durable: a retried attempt starts again at 0. */
export interface ReplyDelta {
  readonly kind: 'delta';
  readonly run: string;
  readonly position: Position;
  readonly attempt: number;
  readonly text: string;
}
