import type { ReplyDelta, RunEvent } from '../contracts/events.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { Database } from '../storage/database.ts';
import { isStorageUnavailable } from '../storage/database.ts';
import { announceWatcher, hasEnded, readEvents } from '../storage/events.ts';
import type { WatchOptions } from './run.ts';

/**
 * A run's events as they are recorded, and pieces of replies beside them.
 *
 * Notices only shorten the wait; what counts is read by number, so none is missed or seen twice.
 */
export async function* watchRun(
  database: Database,
  run: string,
  options: WatchOptions,
): AsyncGenerator<RunEvent | ReplyDelta> {
  let seen = options.after ?? 0;
  if (!Number.isSafeInteger(seen) || seen < 0)
    throw new BelayerError(
      failureType.inputRejected,
      `\`after\` is ${String(options.after)}; it must be the number of an event, or 0.`,
    );
  const deltas: ReplyDelta[] = [];
  let wake: () => void = () => undefined;
  const runNo = await announceWatcher(database, run);
  let announcedAt = Date.now();
  const listening = await database.listen(`belayer_run_${runNo}`, (payload) => {
    if (payload !== '' && options.deltas === true) deltas.push(JSON.parse(payload) as ReplyDelta);
    wake();
  });
  const onAbort = (): void => wake();
  options.signal?.addEventListener('abort', onAbort);
  try {
    while (options.signal?.aborted !== true) {
      let noticed = false;
      const notice = new Promise<void>((resolve) => {
        wake = () => {
          noticed = true;
          resolve();
        };
      });
      if (Date.now() - announcedAt > limits.watchLeaseMs / 2) {
        announcedAt = Date.now();
        await announceWatcher(database, run).catch(ignoreOutage);
      }
      const events = await readEvents(database, { run, no: runNo }, seen).catch(ignoreOutage);
      yield* deltas.splice(0);
      for (const event of events ?? []) {
        seen = event.number;
        yield event;
        if (event.kind === 'run.ended') return;
      }
      if ((events?.length ?? 0) >= limits.watchEventsPerReadMax || noticed) continue;
      // Whoever has seen the last event already waits for none.
      if (events?.length === 0 && (await hasEnded(database, runNo).catch(ignoreOutage)) === true)
        if ((await readEvents(database, { run, no: runNo }, seen)).length === 0) return;
      await Promise.race([notice, pause(limits.watchPollMs)]);
    }
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    await listening.stop();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A watcher outlives a database that restarts: it reads on from the same number. */
function ignoreOutage(error: unknown): undefined {
  if (isStorageUnavailable(error)) return undefined;
  throw error;
}
