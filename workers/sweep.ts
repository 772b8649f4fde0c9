import type { Log } from '../activities/dependencies.ts';
import type { Parts } from '../client/parts.ts';
import { startWorkflow } from '../client/start-workflow.ts';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { toRunInput } from '../rules/to-run-input.ts';
import { storedDefinition } from '../storage/definitions.ts';
import { type RunToStart, takeUnstarted } from '../storage/runs.ts';

/**
 * Starts the workflows of runs that are on record and have none: whoever started them died in
 * between, or Temporal was away. The returned function ends it.
 */
export function startSweep(parts: Parts, log: Log): () => Promise<void> {
  let sweeping: Promise<void> | undefined;
  const sweep = async (): Promise<void> => {
    for (const row of await takeUnstarted(parts.database)) await startRow(parts, row);
  };
  const timer = setInterval(() => {
    sweeping ??= sweep()
      .catch((error: unknown) =>
        log.warn('a sweep for unstarted runs failed', { error: (error as Error).message }),
      )
      .finally(() => {
        sweeping = undefined;
      });
  }, limits.sweepEveryMs);
  return async () => {
    clearInterval(timer);
    await sweeping;
  };
}

async function startRow(parts: Parts, row: RunToStart): Promise<void> {
  const definition = await storedDefinition(parts.database, row.definition);
  invariant(definition !== undefined, `definition ${row.definition} of run ${row.id} is stored`);
  await startWorkflow(
    parts,
    row.id,
    toRunInput({
      frozen: definition.frozen,
      definition: row.definition,
      customer: row.customer,
      transcript: { chain: 0, length: 1, head: row.head, bytes: row.bytes },
      ...(row.options === null ? {} : { options: row.options }),
    }),
  );
}
