import type { Log } from '../activities/dependencies.ts';
import { isUnreachable, type Parts } from '../client/parts.ts';
import { startWorkflow } from '../client/start-workflow.ts';
import { BelayerError } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { startOf } from '../storage/start-of.ts';
import { putBack, type RunToStart, takeUnstarted } from '../storage/runs.ts';
import { repeat } from './repeat.ts';

/**
 * Starts the workflows of runs that are on record and have none: whoever started them died in
 * between, or Temporal was away. The returned function ends it.
 */
export function startSweep(parts: Parts, log: Log): () => Promise<void> {
  const sweep = async (): Promise<void> => {
    const rows = await takeUnstarted(parts.database);
    for (const [index, row] of rows.entries()) {
      try {
        await startRow(parts, row);
      } catch (error) {
        if (error instanceof BelayerError && isUnreachable(error.cause)) {
          // Nothing is wrong with the rows: the next sweep takes them again.
          await putBack(
            parts.database,
            rows.slice(index).map(({ id }) => id),
          );
          throw error;
        }
        // One row that cannot be started must not keep those behind it.
        log.error('a run on record could not be started', {
          run: row.id,
          error: (error as Error).message,
        });
      }
    }
  };
  return repeat(sweep, {
    everyMs: limits.sweepEveryMs,
    failed: 'a sweep for unstarted runs failed',
    log,
  });
}

async function startRow(parts: Parts, row: RunToStart): Promise<void> {
  const { input, build } = await startOf(parts.database, row);
  await startWorkflow(parts, row.id, input, build);
}
