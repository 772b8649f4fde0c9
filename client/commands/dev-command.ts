import { dirname, relative } from 'node:path';
import { withoutPassword } from '../../servers/index.ts';
import { openDatabase } from '../../storage/database.ts';
import { leaseFor } from '../connect.ts';
import { readSettings } from '../settings.ts';
import { createDevWorker } from './dev-worker.ts';
import { exitCode } from './exit-codes.ts';
import { followAllRuns } from './follow-all-runs.ts';
import { watchInterrupts } from './interrupts.ts';
import { findApplicationOf } from './load-worker.ts';
import { safeText } from './safe-text.ts';
import type { Terminal } from './terminal.ts';
import { watchFiles } from './watch-files.ts';

/** A worker that starts again when the code changes, the servers below it, and a view of all runs. */
export async function devCommand(terminal: Terminal, named: string | undefined): Promise<number> {
  const file = await findApplicationOf(terminal, named);
  const settings = readSettings(terminal.environment, terminal.folder);
  const interrupts = watchInterrupts(terminal, () => terminal.note('\nStopping.'));
  const note = (line: string): void => terminal.note(line);
  try {
    // Held here, so that the servers do not stop between two workers.
    const lease = await leaseFor(settings, { log: note, signal: interrupts.signal });
    const { temporal, databaseUrl } = lease.addresses;
    note(
      `Temporal    ${temporal.address}${temporal.uiUrl === undefined ? '' : `  ${temporal.uiUrl}`}`,
    );
    note(`PostgreSQL  ${withoutPassword(databaseUrl)}`);
    const database = openDatabase({
      url: databaseUrl,
      applicationName: 'belayer dev',
      connections: 2,
    });
    const worker = createDevWorker(terminal, file, ({ agents }) =>
      note(`Agents      ${agents.map((agent) => safeText(agent)).join(', ')}`),
    );
    const unwatch = watchFiles(dirname(file), (changed) => {
      note(`${relative(terminal.folder, changed)} changed: the worker starts again.`);
      void worker.restart();
    });
    try {
      await worker.restart();
      await followAllRuns(terminal, database, interrupts.signal);
    } finally {
      unwatch();
      await worker.stop();
      await database.close();
      await lease.release();
    }
    return exitCode.done;
  } catch (error) {
    if (interrupts.signal.aborted) return exitCode.done;
    throw error;
  } finally {
    interrupts.end();
  }
}
