import type { Log } from '../activities/dependencies.ts';
import { eachAtOnce } from '../client/each-at-once.ts';
import { isUnreachable, type Parts } from '../client/parts.ts';
import { startWorkflow } from '../client/start-workflow.ts';
import { BelayerError } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { admitRuns } from '../storage/admission.ts';
import { putBack, type RunToStart } from '../storage/runs.ts';
import { startOf } from '../storage/start-of.ts';
import { repeat } from './repeat.ts';

/**
 * Admits queued runs as others end, and starts their workflows: at once when the database says that a place is free,
 * and by a look every second for what nobody said. The returned function ends it.
 */
export async function startAdmission(parts: Parts, log: Log): Promise<() => Promise<void>> {
  let ending = false;
  let working: Promise<void> | undefined;
  let again = false;
  const admit = async (): Promise<void> => {
    while (!ending) {
      again = false;
      const runs = await admitRuns(parts.database);
      await startAll(parts, runs, log);
      if (!again && runs.length < limits.admissionRunsMax) return;
    }
  };
  /** One at a time; what is said meanwhile is looked after by another look behind it. */
  const turn = (): Promise<void> => {
    again = true;
    working ??= admit().finally(() => {
      working = undefined;
    });
    return working;
  };
  const listening = await parts.database.listen('belayer_admission', () => {
    turn().catch((error: unknown) => log.warn(failed, { error: (error as Error).message }));
  });
  const stop = repeat(turn, { everyMs: limits.admissionSweepEveryMs, failed, log });
  return async () => {
    ending = true;
    await listening.stop();
    await stop();
    await working?.catch(() => undefined);
  };
}

const failed = 'queued runs could not be admitted';

async function startAll(parts: Parts, runs: readonly RunToStart[], log: Log): Promise<void> {
  await eachAtOnce(runs, limits.admissionStartsMax, async (row) => {
    try {
      const { input, build } = await startOf(parts.database, row);
      await startWorkflow(parts, row.id, input, build);
    } catch (error) {
      // It has its place and is on record: the sweep for runs without a workflow starts it.
      if (error instanceof BelayerError && isUnreachable(error.cause))
        await putBack(parts.database, [row.id]);
      log.error('an admitted run could not be started', {
        run: row.id,
        error: (error as Error).message,
      });
    }
  });
}
