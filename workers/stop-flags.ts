import type { Log } from '../activities/dependencies.ts';
import type { InFlight, StopFlag } from '../activities/in-flight.ts';
import { limits } from '../contracts/limits.ts';
import type { Database } from '../storage/database.ts';

/**
 * Keeps the worker's copy of the stop flags: at once by notification, and never older than
 * `limits.stopFlagsAgeMsMax` by asking. Resolves when it is fresh; the returned function ends it.
 */
export async function watchStopFlags(
  database: Database,
  inFlight: InFlight,
  log: Log,
): Promise<() => Promise<void>> {
  const halts = await database.listen('belayer_halt', (payload) => {
    const said = JSON.parse(payload) as StopFlag | { readonly lifted: true };
    if (!('lifted' in said)) inFlight.addFlag(said);
    // Which flags are left is asked, and a set that is read just now may be without what was said.
    refresh();
  });
  const watchers = await database.listen('belayer_watch', (run) => inFlight.markWatched(run));
  const interrupts = await database.listen('belayer_interrupt', (run) => inFlight.interrupt(run));
  let asking = false;
  let askAgain = false;
  const ask = async (): Promise<void> => {
    askAgain = asking;
    if (asking) return;
    asking = true;
    try {
      const flags = await database.query<StopFlag>({
        name: 'read_stop_flags',
        text: 'select scope, subject, reason from belayer.stop_flag',
      });
      inFlight.setFlags(flags);
    } finally {
      asking = false;
    }
    if (askAgain) await ask();
  };
  const refresh = (): void =>
    void ask().catch((error: unknown) =>
      log.warn('the stop flags could not be read', { error: (error as Error).message }),
    );
  await ask();
  const timer = setInterval(refresh, limits.stopFlagsAgeMsMax);
  return async () => {
    clearInterval(timer);
    await halts.stop();
    await watchers.stop();
    await interrupts.stop();
  };
}
