/**
 * The end of a run that cannot answer: parked by a bug in workflow code, or without any worker.
 *
 * 1. The flag first: under it nothing of the run is claimed and no sub-agent is started, so the list of
 *    what has to be ended is complete.
 * 2. The books are closed before the workflow is terminated, or whoever waits for the outcome would read
 *    Temporal's word for it. Done again after a crash in between, the rest is terminated.
 * 3. A call that is claimed is given up; of an effect it is said that nobody knows its outcome.
 */
import { WorkflowNotFoundError } from '@temporalio/client';
import type { RunOutcome } from '../contracts/agent-run.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { endQueued } from '../storage/admission.ts';
import { type Database, isStorageUnavailable } from '../storage/database.ts';
import { type ClosedByForce, closeByForce, familyOf } from '../storage/force-close.ts';
import { runImported } from '../storage/imported-runs.ts';
import { openLedger, runUnknown } from '../storage/ledger.ts';
import { readRun, type RunRow } from '../storage/reading-runs.ts';
import { endedAlready } from './halt-run.ts';
import { isUnreachable, type Parts } from './parts.ts';

export interface ForcedHalt {
  readonly run: string;
  /** `in-order`: the run ended by itself while it was being forced; its outcome is its own. */
  readonly ended: 'by-force' | 'in-order';
  readonly outcome: RunOutcome;
  /** Workflows that ran and were terminated: the run's own and those of its sub-agents. */
  readonly terminated: readonly string[];
  /** Effects whose outcome nobody knows: somebody has to look. */
  readonly unknown: readonly { readonly run: string; readonly position: string }[];
}

/**
 * Needs both stores.
 *
 * @throws RunUnknown, DecisionRejected           There is nothing to end.
 * @throws StorageUnavailable, ServerUnreachable  The message says what is done and what is left.
 */
export async function forceHalt(
  parts: Pick<Parts, 'database' | 'temporal'>,
  run: string,
  halt: { readonly reason: string; readonly by: string },
): Promise<ForcedHalt> {
  const { database } = parts;
  const reason = halt.reason.slice(0, limits.reasonCharsMax);
  const row = await readRun(database, run).catch((error: unknown) => {
    throw isStorageUnavailable(error) ? needsBoth(run, error as Error) : error;
  });
  if (row === undefined) throw runUnknown(run);
  if (row.importedAt !== null) throw runImported(run);
  if (row.endedAt !== null) return endTheRest(parts, row, halt);
  if (
    row.state === 'queued' &&
    (await endQueued(database, run, { reason: forcedMark + reason, by: halt.by }))
  )
    return endedBeforeStart(database, run);
  await openLedger(database).raiseFlag('run', run, reason, halt.by);
  await checkTemporal(parts, run);
  const closed: ClosedByForce[] = [];
  for (const member of (await familyOf(database, run)).filter(({ endedAt }) => endedAt === null))
    closed.push(await closeByForce(database, member.id, `${forcedMark}${reason}`));
  const own = closed.find((member) => member.run === run);
  const outcome = own?.outcome ?? (await readRun(database, run))?.outcome;
  if (outcome == null) throw runUnknown(run);
  const unknown = closed.flatMap((member) =>
    member.unknown.map((position) => ({ run: member.run, position })),
  );
  // A workflow that has written its own end is about to leave by itself.
  const isForced = own?.closed === true;
  const terminated = await terminate(
    parts,
    closed.filter((member) => member.closed).map((member) => member.run),
    halt,
  );
  return { run, ended: isForced ? 'by-force' : 'in-order', outcome, terminated, unknown };
}

const forcedMark = 'forced: ';

/** It was queued: there is no workflow to terminate, and nothing of it happened. */
async function endedBeforeStart(database: Database, run: string): Promise<ForcedHalt> {
  const outcome = (await readRun(database, run))?.outcome;
  if (outcome == null) throw runUnknown(run);
  return { run, ended: 'by-force', outcome, terminated: [], unknown: [] };
}

/** The books were closed by force before: what is left of the workflows is ended. */
async function endTheRest(
  parts: Pick<Parts, 'database' | 'temporal'>,
  { id, state, outcome }: RunRow,
  halt: { readonly reason: string; readonly by: string },
): Promise<ForcedHalt> {
  const wasForced = outcome?.kind === 'stopped' && outcome.detail.startsWith(forcedMark);
  if (!wasForced) throw endedAlready(id, state);
  const family = await familyOf(parts.database, id);
  const terminated = await terminate(
    parts,
    family.map((member) => member.id),
    halt,
  );
  if (terminated.length === 0) throw endedAlready(id, `${state}, by force`);
  return {
    run: id,
    ended: 'by-force',
    outcome,
    terminated,
    unknown: family.flatMap((member) =>
      member.unknown.map((position) => ({ run: member.id, position })),
    ),
  };
}

/** Books are closed only where the workflow can be terminated behind them. */
async function checkTemporal(parts: Pick<Parts, 'temporal'>, run: string): Promise<void> {
  try {
    await parts.temporal.withDeadline(Date.now() + limits.haltSignalMsMax, () =>
      parts.temporal.workflow.getHandle(run).describe(),
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return;
    throw isUnreachable(error)
      ? new BelayerError(
          failureType.serverUnreachable,
          `Run \`${run}\` is flagged, so no further call of it starts; but Temporal does not answer (${(error as Error).message}), so its workflow was not terminated and its books are open. Try again.`,
          { cause: error },
        )
      : error;
  }
}

/** Newest last: a parent is gone before its sub-agents, or it would start others. */
async function terminate(
  parts: Pick<Parts, 'temporal'>,
  runs: readonly string[],
  { reason, by }: { readonly reason: string; readonly by: string },
): Promise<string[]> {
  const terminated: string[] = [];
  for (const run of runs.toReversed())
    try {
      await parts.temporal.withDeadline(Date.now() + limits.haltSignalMsMax, () =>
        parts.temporal.workflow
          .getHandle(run)
          .terminate(`belayer halt --force by ${by}: ${reason}`),
      );
      terminated.push(run);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) continue;
      throw isUnreachable(error)
        ? new BelayerError(
            failureType.serverUnreachable,
            `The books of run \`${run}\` are closed and nothing of it starts any more, but Temporal does not answer (${(error as Error).message}) and its workflow still stands. The same command again terminates it.`,
            { cause: error },
          )
        : error;
    }
  return terminated;
}

const needsBoth = (run: string, error: Error): BelayerError =>
  new BelayerError(
    failureType.storageUnavailable,
    `${error.message} An end by force closes the books of run \`${run}\`, which are in PostgreSQL: nothing was done. \`belayer halt ${run}\` without --force needs Temporal alone.`,
    { cause: error },
  );
