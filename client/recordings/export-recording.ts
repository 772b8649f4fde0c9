import { BelayerError, failureType } from '../../contracts/failures.ts';
import {
  exportRows,
  type ExportReport,
  type RedactionOptions,
} from '../../storage/recordings/export-rows.ts';
import { runUnknown } from '../../storage/ledger.ts';
import { readRun } from '../../storage/reading-runs.ts';
import { inTransaction } from '../../storage/transaction.ts';
import type { Parts } from '../parts.ts';
import { readHistories } from './read-histories.ts';

/**
 * Writes a run and its sub-agents' runs as a recording, line by line; `write` is given one line at a time.
 *
 * Rows are of one moment. Of a run that goes on, histories are read a moment later and may be longer.
 * @throws RunUnknown, RecordingExpired, RecordingDamaged, InputRejected  What was written by then is no recording.
 */
export async function exportRecording(
  parts: Pick<Parts, 'database' | 'temporal' | 'by'>,
  run: string,
  options: RedactionOptions,
  write: (line: string) => Promise<void> | void,
): Promise<ExportReport> {
  const { database } = parts;
  if ((await readRun(database, run)) === undefined) throw runUnknown(run);
  return inTransaction(database, 'read', async (query) => {
    const lines = exportRows({
      query,
      run,
      by: parts.by,
      redaction: options,
      histories: (member) =>
        readHistories(parts, member.id).catch((error: unknown) => {
          const isUnstarted =
            member.id !== run &&
            member.endedAt === null &&
            error instanceof BelayerError &&
            error.type === failureType.runUnknown;
          // A sub-agent that is on record and whose workflow is only about to start has no history.
          if (isUnstarted) return [];
          throw error;
        }),
    });
    for (;;) {
      const next = await lines.next();
      if (next.done === true) return next.value;
      await write(next.value);
    }
  });
}
