/**
 * Finds runs that make no progress and wait for nothing declared, and puts that on record as an event,
 * which is announced. All workers share one round over the open runs, so that more of them do not look
 * more often.
 */
import type { Log } from '../activities/dependencies.ts';
import type { Parts } from '../client/parts.ts';
import { createLook, lookAtEach } from '../client/stuck/look-at-run.ts';
import { limits } from '../contracts/limits.ts';
import {
  clearMoved,
  clearStuck,
  noteStuck,
  type Suspect,
  takeSilent,
  takeStuck,
} from '../storage/stuck.ts';
import { repeat } from './repeat.ts';

export function startStuckSweep(
  parts: Pick<Parts, 'database' | 'temporal' | 'settings'>,
  log: Log,
): () => Promise<void> {
  const { database, temporal, settings } = parts;
  const silentMs = settings.stuckAfterMs ?? limits.stuckAfterMsDefault;
  // A short limit is not waited for twice.
  const everyMs = Math.min(limits.stuckSweepEveryMs, Math.ceil(silentMs / 2));
  let stopping = false;

  const sweep = async (): Promise<void> => {
    const look = createLook({ temporal, taskQueue: settings.taskQueue, silentMs });
    const lookAt = async (suspect: Suspect): Promise<void> => {
      if (stopping) return;
      const found = await look(suspect);
      if (found === undefined) return clearStuck(database, suspect);
      const noted = await noteStuck(database, suspect, found, silentMs);
      if (noted === 'new') log.warn('a run is stuck', { run: suspect.run, ...found });
    };
    await clearMoved(database);
    await lookAtEach(await takeStuck(database, everyMs), lookAt);
    for (let batch = 0; batch < limits.stuckBatchesMax && !stopping; batch += 1) {
      const { more, suspects } = await takeSilent(database, { silentMs, everyMs });
      await lookAtEach(suspects, lookAt);
      if (!more) return;
    }
  };

  const stop = repeat(sweep, { everyMs, failed: 'a sweep for stuck runs failed', log });
  return async () => {
    stopping = true;
    await stop();
  };
}
