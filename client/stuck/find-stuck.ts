import { limits } from '../../contracts/limits.ts';
import { listStuck, silentRuns, type StuckRow } from '../../storage/stuck.ts';
import type { Parts } from '../parts.ts';
import { createLook, lookAtEach } from './look-at-run.ts';

export interface StuckOptions {
  /**
   * Looks at once, at every open run, in place of reading what workers have found: true without any
   * worker as well. Changes nothing and announces nothing. Default false.
   */
  readonly now?: boolean;
  /** Default 500. */
  readonly limit?: number;
}

export async function findStuck(
  parts: Parts,
  options: { readonly now: boolean; readonly limit: number },
): Promise<readonly StuckRow[]> {
  const { database, temporal, settings } = parts;
  if (!options.now) return listStuck(database, options.limit);
  const silentMs = settings.stuckAfterMs ?? limits.stuckAfterMsDefault;
  const look = createLook({ temporal, taskQueue: settings.taskQueue, silentMs });
  const rows: StuckRow[] = [];
  let after = 0;
  do {
    const { last, suspects } = await silentRuns(database, { after, silentMs });
    await lookAtEach(suspects, async (suspect) => {
      const found = await look(suspect);
      if (found === undefined) return;
      const { run, agent, customer, since } = suspect;
      rows.push({ run, agent, customer, ...found, since: new Date(since), seenAt: new Date() });
    });
    after = last;
  } while (after !== 0 && rows.length < options.limit);
  return rows
    .toSorted((one, other) => one.since.getTime() - other.since.getTime())
    .slice(0, options.limit);
}
