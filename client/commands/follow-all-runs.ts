import type { Database } from '../../storage/database.ts';
import { readNewEvents } from '../../storage/reading-new-events.ts';
import { eventLine } from './event-line.ts';
import { safeLine } from './safe-text.ts';
import type { Terminal } from './terminal.ts';

const pollMs = 500;
/** An event may become visible this long after its time: its transaction was not over. */
const lateMsMax = 5_000;
const seenMax = 5_000;

/** Shows the events of all runs, one line each, until the signal comes. */
export async function followAllRuns(
  terminal: Terminal,
  database: Database,
  signal: AbortSignal,
): Promise<void> {
  let newestMs = Date.now();
  const startedAt = newestMs;
  const seen = new Set<string>();
  while (!signal.aborted) {
    const since = new Date(Math.max(newestMs - lateMsMax, startedAt));
    // No schema yet, or a server that restarts: the next look finds out.
    const events = await readNewEvents(database, since).catch(() => []);
    for (const event of events) {
      const key = `${event.run} ${event.number}`;
      if (seen.has(key)) continue;
      seen.add(key);
      newestMs = Math.max(newestMs, Date.parse(event.at));
      terminal.note(`${safeLine(event.run, 60)}  ${eventLine(event)}`);
    }
    for (const key of seen) {
      if (seen.size <= seenMax) break;
      seen.delete(key);
    }
    await pause(pollMs, signal);
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
