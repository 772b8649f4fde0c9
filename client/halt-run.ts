/** A halt of one run through whichever of the two stores answers. */
import { WorkflowNotFoundError } from '@temporalio/client';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { endQueued } from '../storage/admission.ts';
import { isStorageUnavailable } from '../storage/database.ts';
import { runImported } from '../storage/imported-runs.ts';
import { openLedger, runUnknown } from '../storage/ledger.ts';
import { readRun } from '../storage/reading-runs.ts';
import { isUnreachable, type Parts } from './parts.ts';
import { sendHalt } from './tell-to-halt.ts';

/** Which halves of a halt were accepted; at least one is. */
export interface HaltReceipt {
  readonly run: string;
  /** PostgreSQL has the run's stop flag: every claim that commits from here on has seen it. */
  readonly flagged: boolean;
  /** Temporal has the signal: a run that waits wakes up and ends. */
  readonly signalled: boolean;
  /** For a person, where one half is missing: which, why, and what happens then. */
  readonly note?: string;
}

/**
 * Either store is enough: the flag stops every claim, the signal stops the loop.
 *
 * @throws RunUnknown, DecisionRejected  There is nothing to halt.
 * @throws ServerUnreachable             Neither store answers. The run goes on.
 */
export async function haltRun(
  parts: Pick<Parts, 'database' | 'temporal'>,
  run: string,
  halt: { readonly reason: string; readonly by: string },
): Promise<HaltReceipt> {
  const { database, temporal } = parts;
  const raise = (): Promise<true | Error> =>
    openLedger(database)
      .raiseFlag('run', run, halt.reason.slice(0, limits.reasonCharsMax), halt.by)
      .then(() => true as const)
      .catch((error: Error) => error);
  const signal = (flagged: boolean): Promise<true | Error> =>
    sendHalt(temporal, run, { ...halt, flagged })
      .then(() => true as const)
      .catch((error: Error) => error);

  const row = await readRun(database, run).catch((error: Error) => error);
  if (row === undefined) throw runUnknown(run);
  if (!(row instanceof Error) && row.importedAt !== null) throw runImported(run);
  if (!(row instanceof Error) && row.endedAt !== null) throw endedAlready(run, row.state);
  // It has no workflow that could hear, and nothing of it starts.
  if (
    !(row instanceof Error) &&
    row.state === 'queued' &&
    (await endQueued(database, run, {
      reason: halt.reason.slice(0, limits.reasonCharsMax),
      by: halt.by,
    }))
  )
    return {
      run,
      flagged: true,
      signalled: false,
      note: 'It was queued: it has ended without having started.',
    };
  // A database that does not answer is asked beside the signal: nobody waits for it twice.
  if (row instanceof Error) {
    const [flagged, signalled] = await Promise.all([raise(), signal(false)]);
    return receipt(run, flagged, signalled);
  }
  const flagged = await raise();
  return receipt(run, flagged, await signal(flagged === true));
}

export const endedAlready = (run: string, state: string): BelayerError =>
  new BelayerError(
    failureType.decisionRejected,
    `Run \`${run}\` has ended already (${state}); there is nothing to halt.`,
  );

function receipt(run: string, flagged: true | Error, signalled: true | Error): HaltReceipt {
  if (flagged === true && signalled === true) return { run, flagged: true, signalled: true };
  if (flagged === true && signalled !== true)
    return { run, flagged: true, signalled: false, note: notSignalled(run, signalled) };
  if (flagged !== true && signalled === true)
    return {
      run,
      flagged: false,
      signalled: true,
      note: `PostgreSQL did not take the stop flag (${flagged.message}). Temporal has the halt: the run stops when a worker hears it, and its first act is to raise its flag, when PostgreSQL answers again. A call that is in flight now may end first.`,
    };
  throw neither(run, flagged as Error, signalled as Error);
}

function notSignalled(run: string, error: Error): string {
  if (error instanceof WorkflowNotFoundError)
    return `Temporal has no workflow of it that could hear: it has just ended, or is not started yet. If it stays open, \`belayer halt ${run} --force\` closes its books.`;
  return `${isUnreachable(error) ? 'Temporal does not answer' : 'Temporal did not take the signal'} (${error.message}). The stop flag is set: no further call of the run starts. If it waits for a human or sleeps, a worker tells it when Temporal answers again.`;
}

function neither(run: string, flagged: Error, signalled: Error): Error {
  if (!isStorageUnavailable(flagged)) return flagged;
  if (signalled instanceof WorkflowNotFoundError)
    return new BelayerError(
      failureType.runUnknown,
      `Temporal has no running workflow \`${run}\`, and PostgreSQL does not answer (${flagged.message}). Nothing was halted.`,
      { cause: flagged },
    );
  return new BelayerError(
    failureType.serverUnreachable,
    `Run \`${run}\` is NOT halted: neither PostgreSQL (${flagged.message}) nor Temporal (${signalled.message}) took it.`,
    { cause: flagged },
  );
}
