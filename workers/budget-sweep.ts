import { WorkflowNotFoundError } from '@temporalio/client';
import type { Log } from '../activities/dependencies.ts';
import type { Parts } from '../client/parts.ts';
import { isUnreachable } from '../client/parts.ts';
import { limits } from '../contracts/limits.ts';
import { message } from '../contracts/messages.ts';
import {
  closeBudgetWakes,
  reconcile,
  type RunToWake,
  takeBudgetWakes,
} from '../storage/budgets.ts';
import { repeat } from './repeat.ts';

/**
 * Looks after budgets that runs share: tells waiting runs that theirs was changed, and settles reservations of
 * attempts that never came back. The returned function ends it.
 */
export function startBudgetSweep(
  parts: Pick<Parts, 'database' | 'temporal'>,
  log: Log,
): () => Promise<void> {
  let ending = false;
  const wake = async (): Promise<void> => {
    while (!ending) {
      const batch = await takeBudgetWakes(parts.database);
      await tell(parts, batch, log);
      if (batch.length < limits.budgetWakesMax) return;
    }
  };
  const settle = async (): Promise<void> => {
    const { settled } = await reconcile(parts.database);
    if (settled > 0)
      log.warn('reservations of attempts that never came back were charged', { settled });
  };
  const loops = [
    repeat(wake, { everyMs: limits.budgetSweepEveryMs, failed: 'a sweep for runs that wait for a budget failed', log }), // prettier-ignore
    repeat(settle, { everyMs: limits.budgetSweepEveryMs, failed: 'a sweep for dead reservations failed', log }), // prettier-ignore
  ];
  return async () => {
    ending = true;
    await Promise.all(loops.map((stop) => stop()));
  };
}

/** What is not told stays taken for its lease, and another sweep tells it then. */
async function tell(
  { database, temporal }: Pick<Parts, 'database' | 'temporal'>,
  runs: readonly RunToWake[],
  log: Log,
): Promise<void> {
  const told: RunToWake[] = [];
  const waiting = [...runs];
  const tellAll = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
      const { run: id } = run;
      try {
        await temporal.withDeadline(Date.now() + limits.haltSignalMsMax, () =>
          temporal.workflow.getHandle(id).signal(message.budgetChanged),
        );
        told.push(run);
      } catch (error) {
        // It has ended, and waits no more.
        if (error instanceof WorkflowNotFoundError) told.push(run);
        else {
          log.warn('a run could not be told that its budget has changed', {
            run: id,
            error: (error as Error).message,
          });
          if (isUnreachable(error)) return;
        }
      }
    }
  };
  await Promise.all(Array.from({ length: limits.haltSignalsMax }, tellAll));
  await closeBudgetWakes(database, told);
}
