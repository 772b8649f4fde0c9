import { damaged } from '../../storage/recordings/insert-parts.ts';
import { type ImportReport, importRows } from '../../storage/recordings/import-rows.ts';
import { linesOf } from '../../storage/recordings/recording-lines.ts';
import { inTransaction } from '../../storage/transaction.ts';
import type { Parts } from '../parts.ts';

/**
 * Puts a recording into this installation, to be read: whole, or not at all.
 *
 * The same file again changes nothing. Hashes find damage, not forgery: import what you trust.
 * @throws RecordingDamaged  Names the line, the part and the position.
 * @throws RunIdTaken        One of its ids stands for another run.
 */
export function importRecording(
  parts: Pick<Parts, 'database' | 'by'>,
  bytes: AsyncIterable<Uint8Array>,
): Promise<ImportReport> {
  return inTransaction(parts.database, 'write', (query) =>
    importRows(query, linesOf(bytes), parts.by),
  ).catch((error: unknown) => {
    // Values that fit no column: PostgreSQL's data exceptions and broken constraints.
    const { code } = error as { readonly code?: unknown };
    if (typeof code === 'string' && /^2[23]/.test(code))
      throw damaged(`PostgreSQL does not take a value of it (${(error as Error).message}).`);
    throw error;
  });
}
