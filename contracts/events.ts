/** What `watch` yields: one row per event, numbered by the run itself, without gaps, from 1. */
import type { Hash, RequestKind, StopReason, Verdict } from './agent-run.ts';
import type { BudgetPeriod, ExhaustionPolicy } from './budgets.ts';
import type { EscalationCause } from './definitions.ts';
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
        /** What was before this position is another run's. The second event of a fork. */
        readonly kind: 'run.forked';
        readonly position: Position;
        readonly of: string;
        readonly by: string;
        readonly reason?: string;
        /** What was changed there, in short. Absent: nothing was. */
        readonly edit?: string;
      }
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
        readonly outcome: 'calls' | 'final' | 'misfit' | 'refused' | 'rejected';
        /** Of an agent with tiers: which one it was, absent for a model behind them; and why that one. */
        readonly tier?: string;
        readonly because?: string;
        /** What was wrong with a final reply, in words: it was rejected for it, or taken as the largest model's. */
        readonly problem?: string;
        /** `stopWhen` ended the run with it, and why. Without tokens, no model was asked. */
        readonly shortCircuit?: string;
        /** Of a fork: the reply was on record, and no model was asked. */
        readonly given?: true;
        /** It was kept from an equal call, and no model was asked. `latencyMs` is the time until it was there. */
        readonly cached?: true;
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
        /** It was kept from an equal call, and the tool did not run. */
        readonly cached?: true;
        /** Of a kept result: how long the tool ran when it was made. */
        readonly tookMs?: number;
      }
    | {
        readonly kind: 'tool.failed';
        readonly position: Position;
        readonly tool: string;
        readonly attempt: number;
        readonly code: string;
        readonly next: 'retry' | 'ask' | 'queue' | 'verify' | 'fallback' | 'escalate';
      }
    | {
        readonly kind: 'request.opened';
        readonly position: Position;
        readonly request: RequestKind;
        readonly about?: EscalationCause | 'tool';
        readonly tool: string;
        readonly argumentsHash: Hash;
        readonly deadline: string;
        readonly deciders?: readonly string[];
      }
    | {
        readonly kind: 'request.escalated';
        readonly position: Position;
        readonly request: RequestKind;
        readonly tool: string;
        readonly deadline: string;
        readonly deciders?: readonly string[];
      }
    | {
        /** A decision that did not count, and why. */
        readonly kind: 'request.refused';
        readonly position: Position;
        readonly by: string;
        readonly because: string;
      }
    | {
        readonly kind: 'request.closed';
        readonly position: Position;
        readonly verdict: Verdict;
        readonly by: string;
        /** Of arguments that a human changed. */
        readonly argumentsHash?: Hash;
      }
    | { readonly kind: 'child.started'; readonly position: Position; readonly child: string }
    | {
        readonly kind: 'tool.fellback';
        readonly position: Position;
        readonly tool: string;
        readonly to: string;
      }
    | { readonly kind: 'run.paused'; readonly reason: string; readonly by: string }
    | { readonly kind: 'run.resumed'; readonly by: string; readonly reason?: string }
    | { readonly kind: 'run.steered'; readonly by: string; readonly text: string }
    | {
        readonly kind: 'run.extended';
        readonly by: string;
        readonly reason?: string;
        /** What was added. */
        readonly costMicroUsd: number;
        readonly tokens: number;
        readonly steps: number;
        readonly wallMs: number;
      }
    | {
        readonly kind: 'message.received';
        readonly id: string;
        readonly number: number;
        /** The turn that it is for. */
        readonly turn: number;
        readonly by?: string;
      }
    | { readonly kind: 'turn.started'; readonly turn: number }
    | {
        readonly kind: 'turn.ended';
        readonly turn: number;
        /** Where its output is. */
        readonly position: Position;
      }
    | {
        /** A shared budget has no room for the call; it is tried again when the window ends. */
        readonly kind: 'budget.waiting';
        readonly position: Position;
        readonly budget: string;
        readonly until: string;
        readonly detail: string;
      }
    | {
        /** A shared budget has no room for the call; a cheaper model is used for it. */
        readonly kind: 'budget.degraded';
        readonly position: Position;
        readonly budget: string;
        readonly from: string;
        readonly to: string;
        readonly detail: string;
      }
    | {
        /** A call of this run brought a window of a shared budget to this share of its ceiling. */
        readonly kind: 'budget.threshold';
        readonly position: Position;
        /** In per cent, as the share that is spent. */
        readonly threshold: number;
        readonly share: number;
        readonly rule: number;
        /** Of the budget; absent where it is over every one. */
        readonly agent?: string;
        readonly customer?: string;
        readonly per: BudgetPeriod;
        readonly spentMicroUsd: number;
        readonly ceilingMicroUsd?: number;
        readonly spentTokens: number;
        readonly ceilingTokens?: number;
        readonly policy: ExhaustionPolicy;
        readonly endsAt: string;
      }
    | {
        /** The attempt never came back: what it had reserved is charged. */
        readonly kind: 'budget.reconciled';
        readonly position: Position;
        readonly attempt: number;
        readonly costMicroUsd: number;
        readonly tokens: number;
        readonly worker: string;
      }
    | {
        /** A throttle lets the call wait for its turn. Said once for each call. */
        readonly kind: 'model.throttled';
        readonly position: Position;
        readonly throttle: string;
        readonly detail: string;
      }
    | {
        /** It is on record, and its turn to be carried out comes. The second event of a run that had to queue. */
        readonly kind: 'run.queued';
        /** Whose places are taken. */
        readonly because: 'customer' | 'installation';
        readonly runsMax: number;
        /** Runs of this customer, and of all, that queued already. */
        readonly queued: number;
        readonly queuedOfAll: number;
      }
    | { readonly kind: 'run.admitted'; readonly waitedMs: number }
    | { readonly kind: 'run.halting'; readonly reason: string; readonly by: string }
    | { readonly kind: 'run.waiting'; readonly reason: 'no-worker'; readonly detail: string }
    | {
        /** It makes no progress, and waits for nothing declared. */
        readonly kind: 'run.stuck';
        readonly finding: StuckFinding;
        readonly detail: string;
        /** When it last moved. */
        readonly since: string;
      }
    | { readonly kind: 'run.unstuck' }
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

/**
 * Why a run stands still. parked: its workflow task keeps failing; no-worker: nobody carries it out;
 * dead: its workflow is closed and its books are open; silent: it runs, and nothing happens.
 */
export type StuckFinding = 'parked' | 'no-worker' | 'dead' | 'silent';

/** Pieces of a reply while it is being written. Not durable: a retried attempt starts again at 0. */
export interface ReplyDelta {
  readonly kind: 'delta';
  readonly run: string;
  readonly position: Position;
  readonly attempt: number;
  readonly text: string;
}
