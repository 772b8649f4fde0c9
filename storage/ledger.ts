/** The claims ledger and the journal: each function here is one round trip (`0002-functions.ts`). */
import type {
  CallModelOutput,
  CloseRunInput,
  Hash,
  RunToolOutput,
} from '../contracts/agent-run.ts';
import type { RefusingBudget } from '../contracts/budgets.ts';
import type { RefusingThrottle } from '../contracts/throttles.ts';
import { BelayerError, failureType, invariant } from '../contracts/failures.ts';
import type { Position } from '../contracts/positions.ts';
import type { Database } from './database.ts';
import { storableJson } from './storable.ts';

export interface OpenModelCall {
  readonly run: string;
  readonly position: Position;
  /** Names this execution of the attempt; asked again with the same token, the claim is the same. */
  readonly token: string;
  readonly model: string;
  readonly requestHash: Hash;
  readonly chain: number;
  /** Sequence number of the first new entry. */
  readonly from: number;
  readonly entries: readonly NewEntry[];
  readonly reserveMicroUsd: number;
  readonly reserveTokens: number;
  readonly sendMs: number;
  /** Return the chain's fragments from this sequence number on. */
  readonly wantFrom?: number;
}

export interface NewEntry {
  readonly head: Hash;
  readonly at: Position;
  /** Absent: the fragment of the call at this position. */
  readonly fragment?: string;
}

export interface OpenedModelCall {
  readonly verdict: 'claimed' | 'finished' | 'conflict' | 'halted' | 'budget' | 'no-run';
  readonly run_no: number;
  readonly attempt: number;
  readonly watched: boolean;
  /** Of a refusal: what is left under the run's own budget, or the shared budget or throttle that refuses. */
  readonly answer:
    | CallModelOutput
    | RefusingBudget
    | RefusingThrottle
    | { microUsdLeft: number; tokensLeft: number }
    | null;
  readonly detail: string | null;
  readonly fragments: readonly string[] | null;
}

export interface CloseModelCall {
  readonly runNo: number;
  readonly position: Position;
  readonly attempt: number;
  readonly token: string;
  readonly outcome: 'ok' | 'failed' | 'aborted';
  readonly code?: string;
  readonly detail?: string;
  readonly retryable?: boolean;
  /** Absent when the attempt failed. */
  readonly reply?: {
    readonly answer: CallModelOutput;
    readonly fragment: string;
    readonly fragmentHash: Hash;
    readonly output?: string;
    readonly chain: number;
    readonly seq: number;
    /** Absent where the reply is not taken into the transcript: it is kept with its call alone. */
    readonly head?: Hash;
  };
  readonly costMicroUsd: number;
  readonly tokens: number;
  /** Columns of `belayer.attempt`. */
  readonly journal: Readonly<Record<string, unknown>>;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface RecordRead {
  readonly run: string;
  readonly position: Position;
  readonly token: string;
  readonly tool: string;
  readonly requestHash: Hash;
  readonly startedAt: Date;
  readonly outcome: 'ok' | 'failed' | 'slow';
  readonly code?: string;
  readonly detail?: string;
  readonly retryable?: boolean;
  readonly latencyMs: number;
  readonly costMicroUsd: number;
  readonly result?: ToolResultRecord;
  /** Why the tool did not run, and what that saved, in micro-dollars. */
  readonly choice?: string;
  readonly saved?: Readonly<Record<string, number>>;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface ToolResultRecord {
  readonly answer: RunToolOutput;
  readonly fragment: string;
  readonly fragmentHash: Hash;
}

export interface ClaimCall {
  readonly run: string;
  readonly position: Position;
  readonly token: string;
  readonly tool: string;
  readonly requestHash: Hash;
  readonly repeat: 'safe' | 'keyed' | 'never';
  readonly keyValidMs: number;
  readonly sendMs: number;
  readonly again?: Position;
  readonly verified: boolean;
}

export interface ClaimedCall {
  readonly verdict: 'claimed' | 'finished' | 'conflict' | 'halted' | 'unknown' | 'wait' | 'no-run';
  readonly run_no: number;
  readonly attempt: number;
  readonly answer: RunToolOutput | null;
  readonly detail: string | null;
  readonly wait_ms: number | null;
  readonly customer: string | null;
}

export interface CloseCall {
  readonly runNo: number;
  readonly position: Position;
  readonly attempt: number;
  readonly token: string;
  /** `open`: nothing happened; `unknown`: nobody knows. */
  readonly state: 'done' | 'open' | 'unknown';
  readonly outcome: 'ok' | 'failed' | 'unknown';
  readonly code?: string;
  readonly detail?: string;
  readonly retryable?: boolean;
  readonly latencyMs: number;
  readonly costMicroUsd: number;
  readonly result?: ToolResultRecord;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface Ledger {
  openModelCall(call: OpenModelCall): Promise<OpenedModelCall>;
  closeModelCall(call: CloseModelCall): Promise<{
    readonly verdict: 'closed' | 'late' | 'conflict';
    readonly answer: CallModelOutput | null;
  }>;
  recordRead(call: RecordRead): Promise<{
    readonly verdict: 'recorded' | 'finished' | 'conflict';
    readonly answer: RunToolOutput | null;
    readonly fragment: string | null;
  }>;
  claimCall(call: ClaimCall): Promise<ClaimedCall>;
  closeCall(
    call: CloseCall,
  ): Promise<{ readonly verdict: 'closed' | 'late'; readonly answer: RunToolOutput | null }>;
  closeRun(run: string, end: CloseRunInput): Promise<void>;
  raiseFlag(scope: StopScope, subject: string, reason: string, by: string): Promise<boolean>;
}

export type StopScope = 'run' | 'agent' | 'customer' | 'installation';

const placeholders = (count: number): string =>
  Array.from({ length: count }, (_, index) => `$${index + 1}`).join(',');

const call = (name: string, count: number) => ({
  name,
  text: `select * from belayer.${name}(${placeholders(count)})`,
});

const statements = {
  openModelCall: call('open_model_call', 14),
  closeModelCall: call('close_model_call', 19),
  recordRead: call('record_read', 16),
  /** With what a choice saved. */
  recordSavedRead: {
    name: 'record_saved_read',
    text: `select * from belayer.record_read(${placeholders(18)})`,
  },
  claimCall: call('claim_call', 10),
  closeCall: call('close_call', 15),
  closeRun: call('close_run', 4),
  raiseFlag: call('raise_flag', 4),
};

export function openLedger(database: Database): Ledger {
  const one = async <Row>(
    statement: (typeof statements)[keyof typeof statements],
    values: readonly unknown[],
  ): Promise<Row> => {
    const [row] = await database.query<Row>(statement, values);
    invariant(row !== undefined, `${statement.name} answers with one row`);
    return row;
  };
  return {
    async openModelCall(open) {
      const opened = await one<OpenedModelCall>(statements.openModelCall, [
        open.run,
        open.position,
        open.token,
        open.model,
        open.requestHash,
        open.chain,
        open.from,
        open.entries.map((entry) => entry.head),
        open.entries.map((entry) => entry.at),
        open.entries.map((entry) => entry.fragment ?? null),
        open.reserveMicroUsd,
        open.reserveTokens,
        open.sendMs,
        open.wantFrom ?? null,
      ]);
      if (opened.verdict === 'no-run') throw runUnknown(open.run);
      return opened;
    },
    closeModelCall: (close) =>
      one(statements.closeModelCall, [
        close.runNo,
        close.position,
        close.attempt,
        close.token,
        close.outcome,
        close.code ?? null,
        close.detail ?? null,
        close.retryable ?? null,
        close.reply === undefined ? null : storableJson(close.reply.answer),
        close.reply?.fragment ?? null,
        close.reply?.fragmentHash ?? null,
        close.reply?.output ?? null,
        close.reply?.chain ?? null,
        close.reply?.seq ?? null,
        close.reply?.head ?? null,
        close.costMicroUsd,
        close.tokens,
        storableJson(close.journal),
        storableJson(close.event),
      ]),
    async recordRead(read) {
      const recorded = await one<{
        verdict: 'recorded' | 'finished' | 'conflict' | 'no-run';
        answer: RunToolOutput | null;
        fragment: string | null;
      }>(read.saved === undefined ? statements.recordRead : statements.recordSavedRead, [
        read.run,
        read.position,
        read.token,
        read.tool,
        read.requestHash,
        read.startedAt,
        read.outcome,
        read.code ?? null,
        read.detail ?? null,
        read.retryable ?? null,
        Math.round(read.latencyMs),
        read.costMicroUsd,
        read.result === undefined ? null : storableJson(read.result.answer),
        read.result?.fragment ?? null,
        read.result?.fragmentHash ?? null,
        storableJson(read.event),
        ...(read.saved === undefined ? [] : [read.choice ?? null, storableJson(read.saved)]),
      ]);
      if (recorded.verdict === 'no-run') throw runUnknown(read.run);
      return { ...recorded, verdict: recorded.verdict };
    },
    async claimCall(claim) {
      const claimed = await one<ClaimedCall>(statements.claimCall, [
        claim.run,
        claim.position,
        claim.token,
        claim.tool,
        claim.requestHash,
        claim.repeat,
        claim.keyValidMs,
        claim.sendMs,
        claim.again ?? null,
        claim.verified,
      ]);
      if (claimed.verdict === 'no-run') throw runUnknown(claim.run);
      return claimed;
    },
    closeCall: (close) =>
      one(statements.closeCall, [
        close.runNo,
        close.position,
        close.attempt,
        close.token,
        close.state,
        close.outcome,
        close.code ?? null,
        close.detail ?? null,
        close.retryable ?? null,
        Math.round(close.latencyMs),
        close.costMicroUsd,
        close.result === undefined ? null : storableJson(close.result.answer),
        close.result?.fragment ?? null,
        close.result?.fragmentHash ?? null,
        storableJson(close.event),
      ]),
    async closeRun(run, end) {
      await one(statements.closeRun, [
        run,
        storableJson(end.outcome),
        end.outputAt ?? null,
        end.steps,
      ]);
    },
    async raiseFlag(scope, subject, reason, by) {
      const row = await one<{ raise_flag: boolean }>(statements.raiseFlag, [
        scope,
        subject,
        reason,
        by,
      ]);
      return row.raise_flag;
    },
  };
}

export const runUnknown = (run: string): BelayerError =>
  new BelayerError(
    failureType.runUnknown,
    `There is no run \`${run}\` in this database. \`belayer runs\` lists what there is.`,
  );
