import type { Log } from '../activities/dependencies.ts';
import type { Parts } from '../client/parts.ts';
import { tellToHalt } from '../client/tell-to-halt.ts';
import { limits } from '../contracts/limits.ts';
import { takeToHalt } from '../storage/stop-flags.ts';
import { repeat } from './repeat.ts';

/**
 * Tells runs to halt that a stop flag covers and that nobody has told: who set the flag died in
 * between, or Temporal was away. A run that waits makes no claim, and would sleep on under its flag.
 * The returned function ends it.
 */
export function startHaltSweep(
  parts: Pick<Parts, 'database' | 'temporal'>,
  log: Log,
): () => Promise<void> {
  let ending = false;
  const sweep = async (): Promise<void> => {
    while (!ending) {
      const batch = await takeToHalt(parts.database, 'all standing');
      if (batch.length === 0) return;
      const { failures, unreachable } = await tellToHalt(parts, batch);
      for (const failure of failures)
        log.error('a run could not be told to halt', { error: failure });
      if (unreachable !== undefined) throw new Error(unreachable);
    }
  };
  const stop = repeat(sweep, {
    everyMs: limits.haltSweepEveryMs,
    failed: 'a sweep for runs to halt failed',
    log,
  });
  return async () => {
    ending = true;
    await stop();
  };
}
