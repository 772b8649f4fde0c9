/** One run, from outside: watch it, wait for it, stop it, answer what it asks. */
import { ApplicationFailure, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { randomUUID } from 'node:crypto';
import type { RunOutcome, StopReason } from '../contracts/agent-run.ts';
import type { ReplyDelta, RunEvent } from '../contracts/events.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { runImported } from '../storage/imported-runs.ts';
import { runUnknown } from '../storage/ledger.ts';
import { readEnd } from '../storage/reading-results.ts';
import { requestsOf, type RequestRow } from '../storage/requests.ts';
import { readRun, type RunRow } from '../storage/reading-runs.ts';
import { messageMistakes, refuse, shown, wordMistakes } from './check-words.ts';
import { forceHalt, type ForcedHalt } from './force-halt.ts';
import type { ForkOptions } from './fork/check-fork.ts';
import { forkRun } from './fork/fork-run.ts';
import { haltRun, type HaltReceipt } from './halt-run.ts';
import { isUnreachable, type Parts } from './parts.ts';
import { readSessionOf } from '../storage/sessions.ts';
import { deliver, isFirstMessage, turnOutput } from './turns.ts';
import { tellRun, type Words } from './tell-run.ts';
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

/** A message on its way to its answer. */
export interface Turn<Output = unknown> {
  readonly run: Run<Output>;
  /** Which turn of the session answers it, from 1. Several messages may share one. */
  readonly number: number;
  /** Waits for the turn's output. @throws RunStopped, RunFailed  The run ended before it. */
  output(): Promise<Output>;
}

export interface HaltOptions {
  /** Who halts. Default: who connected. */
  readonly by?: string;
  readonly force?: boolean;
}

export interface Run<Output = unknown> extends Words {
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
   * flight is aborted; an effect that has begun is recorded first. One of the two stores is enough;
   * the receipt says which took it.
   *
   * With `force`, for a run that cannot answer: its workflows are terminated and its books closed. What
   * nobody knows the outcome of is listed.
   */
  halt(reason: string, options?: HaltOptions & { readonly force?: false }): Promise<HaltReceipt>;
  halt(reason: string, options: HaltOptions & { readonly force: true }): Promise<ForcedHalt>;
  /**
   * The next message of a session. Resolves when the run has taken it: see `turn.output()`.
   * @throws InputRejected     The message does not fit, or the agent has no session. Nothing was sent.
   * @throws DecisionRejected  The run has ended or is halted, or too many messages wait.
   */
  send(
    message: string,
    options?: { readonly id?: string; readonly by?: string },
  ): Promise<Turn<Output>>;
  /** A turn of a session, from 1. */
  turn(number: number): Turn<Output>;
  /**
   * A new run that shares this one's recording up to a position, with an edit there, and is live from then
   * on: `docs/forks.md`. This run may have ended or not; nothing of it changes.
   *
   * Resolves when the fork is on record and its workflow started. Replays this run, so it needs the package
   * `@temporalio/worker` and takes about a second.
   * @throws InputRejected     An option or the edit does not fit; every mistake is named.
   * @throws ForkRejected      The position was not reached, an effect beside it is unsettled, or today's code differs.
   * @throws KeyReused         The key belongs to another run, position or edit.
   * @throws AgentUnknown      No worker has published the agent here.
   * @throws RecordingExpired, ContentRedacted, StartStopped, StorageUnavailable  Nothing was started.
   * @throws ServerUnreachable  Before the fork is on record; or after it, and a worker starts it.
   */
  fork(options: ForkOptions): Promise<Run<Output>>;
}

export function createRun<Output>(parts: Parts, id: string): Run<Output> {
  const { database } = parts;

  const run: Run<Output> = {
    id,
    ...tellRun(parts, id),
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
    halt: (async (reason: string, options: HaltOptions = {}) => {
      refuse(
        '`halt`',
        [
          ...wordMistakes({ reason }, { known: ['reason'], reason: 'needed', tooLong: 'cut' }),
          ...wordMistakes(options, { known: ['by', 'force'], tooLong: 'cut' }),
          ...(options?.force === undefined || typeof options.force === 'boolean'
            ? []
            : [`\`force\` is ${shown(options.force)}; it must be true or false`]),
        ],
        'Nothing was halted.',
      );
      const halt = { reason, by: (options.by ?? parts.by).slice(0, limits.decidedByCharsMax) };
      return options.force === true ? forceHalt(parts, id, halt) : haltRun(parts, id, halt);
    }) as Run['halt'],
    async send(message, options = {}) {
      refuse('`send`', [
        ...messageMistakes(message),
        ...wordMistakes(options, { known: ['id', 'by'] }),
      ]);
      const { id: messageId = randomUUID(), by = parts.by } = options;
      const session = await readSessionOf(database, id);
      if (session === undefined) throw runUnknown(id);
      if (isFirstMessage(session, { id: messageId, text: message })) return run.turn(1);
      const receipt =
        session.endedAt === null
          ? await deliver(parts, session, { id: messageId, text: message, by })
          : undefined;
      if (receipt !== undefined) return run.turn(receipt.turn);
      throw new BelayerError(
        failureType.decisionRejected,
        `Run \`${id}\` has ended; the message comes too late.`,
      );
    },
    fork: async (options) => createRun<Output>(parts, await forkRun(parts, id, options)),
    turn: (number) => ({
      run,
      number,
      async output() {
        const turn = await turnOutput(parts, id, number);
        // Throws what the run ended with, or gives the output of the turn that was its last.
        return turn === undefined ? run.output() : (turn.output as Output);
      },
    }),
  };
  return run;
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
      if (end.imported) throw runImported(id);
      if (end.isQueued) {
        // Its turn comes, however long that takes.
        failingSince = undefined;
        delayMs = Math.min(delayMs, limits.queuedLookMsMax / 2);
        await pause(delayMs * (1 + Math.random()));
        continue;
      }
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
    await pause(delayMs);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

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
