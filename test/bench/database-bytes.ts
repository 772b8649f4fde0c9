/** How many bytes the two databases hold on disk. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import pg from 'pg';

const walHeaderBytes = 32;
const frameHeaderBytes = 24;

/**
 * The size of a SQLite database as its newest committed transaction left it, whether that is in the
 * file yet or only in its write-ahead log: the last valid commit frame says the pages.
 *
 * The format is https://www.sqlite.org/fileformat2.html#walformat. Frames of an earlier use of the
 * log carry other salts than its header; a writer may be at work, and what it has not committed is
 * not counted.
 */
export function sqliteBytes(file: string): number {
  const bytes = statSync(file).size;
  const wal = `${file}-wal`;
  if (!existsSync(wal)) return bytes;
  const descriptor = openSync(wal, 'r');
  try {
    const size = fstatSync(descriptor).size;
    if (size < walHeaderBytes) return bytes;
    const header = Buffer.alloc(walHeaderBytes);
    readSync(descriptor, header, 0, walHeaderBytes, 0);
    const pageBytes = header.readUInt32BE(8);
    const salts = header.subarray(16, 24);
    const frame = Buffer.alloc(frameHeaderBytes);
    let pages = 0;
    for (
      let at = walHeaderBytes;
      at + frameHeaderBytes <= size;
      at += frameHeaderBytes + pageBytes
    ) {
      readSync(descriptor, frame, 0, frameHeaderBytes, at);
      if (!frame.subarray(8, 16).equals(salts)) break;
      const pagesAfterCommit = frame.readUInt32BE(4);
      if (pagesAfterCommit !== 0) pages = pagesAfterCommit;
    }
    return pages === 0 ? bytes : pages * pageBytes;
  } finally {
    closeSync(descriptor);
  }
}

/** PostgreSQL's own count of everything in the database: tables, indexes, free space in both. */
export async function postgresBytes(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<{ bytes: string }>(
      'select pg_database_size(current_database()) as bytes',
    );
    return Number(result.rows[0]?.bytes ?? 0);
  } finally {
    await client.end();
  }
}
