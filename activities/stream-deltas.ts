import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import type { Database } from '../storage/database.ts';
import type { FlightEntry } from './in-flight.ts';

/**
 * Passes a reply's pieces on to whoever watches the run, from whichever worker, in batches.
 * They are not durable, and a database that is slow or gone never holds the reply up.
 */
export function streamDeltas(
  database: Database,
  flight: FlightEntry,
  where: {
    readonly run: string;
    readonly runNo: number;
    readonly position: Position;
    readonly attempt: number;
  },
): { push(text: string): void; end(): void } {
  let waiting = '';
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    timer = undefined;
    while (waiting !== '') {
      // A character is at most 3 bytes here, and JSON may double it.
      const text = waiting.slice(0, Math.floor(limits.notifyBytesMax / 8));
      waiting = waiting.slice(text.length);
      const { run, runNo, position, attempt } = where;
      const payload = JSON.stringify({ kind: 'delta', run, position, attempt, text });
      database
        .query({ text: 'select pg_notify($1, $2)' }, [`belayer_run_${runNo}`, payload])
        .catch(() => undefined);
    }
  };
  return {
    push(text) {
      if (!flight.watched) return;
      waiting += text;
      timer ??= setTimeout(flush, limits.deltaBatchMs);
    },
    end() {
      clearTimeout(timer);
      flush();
    },
  };
}
