/** One run, from outside: watch it, wait for it, stop it, answer what it asks. */
import {
  ApplicationFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { RunOutcome, StopReason } from '../contracts/agent-run.ts';
import type { ReplyDelta, RunEvent } from '../contracts/events.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { type DecisionMessage, type DecisionReceipt, message } from '../contracts/messages.ts';
import { openLedger, runUnknown } from '../storage/ledger.ts';
import { readEnd } from '../storage/reading-results.ts';
import { requestsOf, type RequestRow } from '../storage/requests.ts';
import { readRun, type RunRow } from '../storage/reading-runs.ts';
import { isUnreachable, type Parts } from './parts.ts';
import { watchRun } from './watch-run.ts';

export type Outcome<Output = unknown> =
  | { readonly kind: 'done'; readonly output: Output }
  | { readonly kind: 'stopped'; readonly because: StopReason; readonly detail: string }
  | {
      readonly kind: 'failed';
      readonly failure: { readonly type: string; readonly message: string };
    };

/** A run ended as it was told to, or at a limit: it has no output. */
export class RunStopped extends BelayerError {
  readonly run: string;
  readonly because: StopReason;
  constructor(run: string, because: StopReason, detail: string) {
    super(failureType.runStopped, `Run \`${run}\` stopped (${because}). ${detail}`.trim());
    this.run = run;
    this.because = because;
  }
}

/** A run failed: someone has to mend something. `failureType` is the type of `docs/failures.md`. */
export class RunFailed extends BelayerError {
  readonly run: string;
  readonly failureType: string;
  constructor(run: string, failure: { readonly type: string; readonly message: string }) {
    super(failureType.runFailed, `Run \`${run}\` failed (${failure.type}): ${failure.message}`);
    this.run = run;
    this.failureType = failure.type;
  }
}

export interface WatchOptions {
  /** Number of the last event seen; the next one is the first to come. Default 0: from the start. */
  readonly after?: number;
  /** Pieces of replies as they are written, between the events. Default false. */
  readonly deltas?: boolean;
  readonly signal?: AbortSignal;
}

export interface DecisionOptions {
  /** Who decides. Default: who connected. */
  readonly by?: string;
  readonly reason?: string;
  /** Of the arguments that the decider saw. Default: those of the open request. */
  readonly argumentsHash?: string;
}

export interface Run<Output = unknown> {
  readonly id: string;
  /** Every event of the run, in order, until it has ended. */
  watch(options?: WatchOptions & { readonly deltas?: false }): AsyncIterable<RunEvent>;
  watch(options: WatchOptions): AsyncIterable<RunEvent | ReplyDelta>;
  /** Waits for the end. @throws RunStopped, RunFailed */
  output(): Promise<Output>;
  /** Waits for the end, whatever it is. */
  outcome(): Promise<Outcome<Output>>;
  /** What is on record of it now. @throws RunUnknown */
  status(): Promise<RunRow>;
  requests(): Promise<readonly RequestRow[]>;
  /**
   * Stops the run. Accepted when this resolves: no call of the run starts after that. What is in
   * flight is aborted; an effect that has begun is recorded first.
   */
  halt(reason: string, options?: { readonly by?: string }): Promise<void>;
  /** @throws DecisionRejected  Stale, late, decided already, or about other arguments. */
  approve(request: string, options?: DecisionOptions): Promise<DecisionReceipt>;
  deny(request: string, options?: DecisionOptions): Promise<DecisionReceipt>;
}

export function createRun<Output>(parts: Parts, id: string): Run<Output> {
  const { database, temporal } = parts;
  const handle = temporal.workflow.getHandle(id);

  const decide = async (
    name: 'approve' | 'deny',
    request: string,
    options: DecisionOptions = {},
  ): Promise<DecisionReceipt> => {
    const argumentsHash = options.argumentsHash ?? (await hashOf(request));
    const decision: DecisionMessage = {
      request,
      argumentsHash,
      by: options.by ?? parts.by,
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    };
    try {
      return await temporal.withDeadline(Date.now() + decisionMsMax, () =>
        handle.executeUpdate<DecisionReceipt, [DecisionMessage]>(message[name], {
          args: [decision],
        }),
      );
    } catch (error) {
      throw decisionFailure(id, request, error);
    }
  };

  const hashOf = async (position: string): Promise<string> => {
    const all = await requestsOf(database, id);
    const request = all.find((candidate) => candidate.position === position);
    if (request !== undefined) return request.argumentsHash;
    const open = all.filter((candidate) => candidate.state === 'open');
    throw new BelayerError(
      failureType.requestUnknown,
      `Run \`${id}\` has no request \`${position}\`. ${open.length === 0 ? 'None is open.' : `Open: ${open.map((candidate) => candidate.position).join(', ')}.`}`,
    );
  };

  const run: Run<Output> = {
    id,
    watch: ((options: WatchOptions = {}) => watchRun(database, id, options)) as Run['watch'],
    async output() {
      const outcome = await run.outcome();
      if (outcome.kind === 'done') return outcome.output;
      throw outcome.kind === 'stopped'
        ? new RunStopped(id, outcome.because, outcome.detail)
        : new RunFailed(id, outcome.failure);
    },
    async outcome() {
      const ended = await ending(parts, id);
      if (ended.outcome.kind !== 'done') return ended.outcome;
      return { kind: 'done', output: JSON.parse(ended.output ?? 'null') as Output };
    },
    async status() {
      const row = await readRun(database, id);
      if (row === undefined) throw runUnknown(id);
      return row;
    },
    requests: () => requestsOf(database, id),
    async halt(reason, options = {}) {
      const by = options.by ?? parts.by;
      const row = await run.status().catch((error: unknown) => {
        if (error instanceof BelayerError && error.type === failureType.runUnknown) throw error;
        return undefined;
      });
      if (row?.endedAt != null)
        throw new BelayerError(
          failureType.decisionRejected,
          `Run \`${id}\` has ended already (${row.state}); there is nothing to halt.`,
        );
      // Either store is enough: the flag stops every claim, the signal stops the loop.
      const flagged = await openLedger(database)
        .raiseFlag('run', id, reason.slice(0, limits.reasonCharsMax), by)
        .then(() => true)
        .catch((error: unknown) => error);
      const signalled = await handle
        .signal(message.halt, { reason, by, flagged: flagged === true })
        .then(() => true)
        .catch((error: unknown) => error);
      if (flagged !== true && signalled !== true) throw flagged;
    },
    approve: (request, options) => decide('approve', request, options),
    deny: (request, options) => decide('deny', request, options),
  };
  return run;
}

/** A worker answers an update in milliseconds; without one it would wait for ever. */
const decisionMsMax = 15_000;

function decisionFailure(run: string, request: string, error: unknown): unknown {
  if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure)
    return new BelayerError(failureType.decisionRejected, error.cause.message, { cause: error });
  if (error instanceof WorkflowNotFoundError)
    return new BelayerError(
      failureType.decisionRejected,
      `Run \`${run}\` has ended; request \`${request}\` cannot be decided any more.`,
      { cause: error },
    );
  if (isUnreachable(error) || (error as Error).name === 'WorkflowUpdateRPCTimeoutOrCancelledError')
    return new BelayerError(
      failureType.serverUnreachable,
      `No worker took the decision on \`${request}\` within ${decisionMsMax} ms. It may still be taken: look at the run before you decide again.`,
      { cause: error },
    );
  return error;
}

/** Waits for a run's end through outages of either store, and reads what it came to. */
async function ending(
  parts: Parts,
  id: string,
): Promise<{ readonly outcome: RunOutcome; readonly output: string | null }> {
  const giveUpAfterMs = 10 * 60_000;
  let failingSince: number | undefined;
  for (let delayMs = 200, ended = false; ; delayMs = Math.min(delayMs * 2, 5_000)) {
    try {
      const end = await readEnd(parts.database, id);
      if (end === undefined) throw runUnknown(id);
      if (end.outcome !== null) return { outcome: end.outcome, output: end.output };
      await parts.temporal.workflow.getHandle(id).result();
      failingSince = undefined;
      // A run writes its outcome before its workflow ends: the first look finds it.
      if (!ended) {
        ended = true;
        continue;
      }
    } catch (error) {
      if (error instanceof WorkflowFailedError) {
        // A run that ended in order has written its outcome before; one that was cut off has not.
        const end = await readEnd(parts.database, id);
        if (end?.outcome != null) return { outcome: end.outcome, output: end.output };
        return { outcome: cutOff(error), output: null };
      }
      const passing =
        isUnreachable(error) ||
        error instanceof WorkflowNotFoundError ||
        (error instanceof BelayerError && error.type === failureType.storageUnavailable);
      if (!passing) throw error;
      failingSince ??= Date.now();
      if (Date.now() - failingSince > giveUpAfterMs)
        throw new BelayerError(
          failureType.serverUnreachable,
          `The end of run \`${id}\` could not be read for ${giveUpAfterMs / 60_000} minutes: ${(error as Error).message}`,
          { cause: error },
        );
    }
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}

function cutOff(error: WorkflowFailedError): RunOutcome {
  const { cause } = error;
  return {
    kind: 'failed',
    failure: {
      type:
        cause instanceof ApplicationFailure ? (cause.type ?? 'Error') : (cause?.name ?? 'Error'),
      message: cause?.message ?? error.message,
    },
  };
}
