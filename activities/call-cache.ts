/**
 * The cache as a worker's calls use it: an entry, or the right to make it, or a wait for who makes it now.
 *
 * 1. A wait holds nothing: no reservation, no claim, no connection. It ends when the maker does, or when the call is.
 * 2. One timer for all calls of a worker: it renews what they make, and looks whether what they wait for has ended,
 *    for notifications that were lost and for makers that died. It stands still where there is neither.
 * 3. What goes wrong after a call was recorded is a line in the log: the cache never fails a call that has succeeded.
 */
import { ApplicationFailure } from '@temporalio/common';
import { failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import {
  type CacheKey,
  countHits,
  endedLeases,
  entryBytes,
  type EntryContent,
  keepEntry,
  type KeptEntry,
  releaseEntry,
  renewLeases,
  sweepCache,
  takeEntry,
  type WantedEntry,
} from '../storage/cache.ts';
import type { Database } from '../storage/database.ts';
import type { Log } from './dependencies.ts';
import { createSleeper } from './sleeper.ts';

export interface CacheLease {
  /** Stores what was made, and ends the lease. */
  readonly keep: (content: EntryContent) => Promise<void>;
  /** Ends it without an entry, so that one of those who wait takes over. After `keep`, nothing. */
  readonly release: () => Promise<void>;
  /** Leaves it to the next execution of the same call, which takes it over; to anyone, when none comes. */
  readonly leave: () => void;
}

export type Taken =
  | { readonly kind: 'hit'; readonly entry: KeptEntry }
  | { readonly kind: 'make'; readonly lease: CacheLease };

export interface CallCache {
  /** The build of the application that this worker carries out: other code may give other results. */
  readonly buildId: string;
  /**
   * The entry, or the right to make it. Waits while an equal call is under way.
   *
   * @param waiting `signal`: ends the wait with its reason. `waitMs`: how long at most.
   * @throws EqualCallUnderWay  It takes longer: for the workflow to wait, and to ask again.
   */
  take(
    wanted: WantedEntry,
    holder: string,
    waiting: { readonly signal: AbortSignal; readonly waitMs: number },
  ): Promise<Taken>;
  /** The right to make an entry that takes the place of another, which was of no use. */
  replace(wanted: WantedEntry): CacheLease;
  /** Removes what is old or too much. */
  sweep(): Promise<void>;
  /** Writes the hits that are counted so far. */
  flushHits(): Promise<void>;
  stop(): Promise<void>;
}

interface Waiter extends CacheKey {
  readonly wake: () => void;
}

export function createCallCache(parts: {
  readonly database: Database;
  readonly log: Log;
  readonly buildId: string;
  readonly bytesMax: number;
}): CallCache {
  const { database, log, buildId, bytesMax } = parts;
  const leases = new Set<CacheKey & { readonly holder: string }>();
  const waiters = new Set<Waiter>();
  const hits = new Map<string, CacheKey & { hits: number }>();
  let keptBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  let renewedAt = 0;
  let looking = false;
  let listening: Promise<{ stop(): Promise<void> }> | undefined;
  let stopped = false;

  const quietly = async (what: string, write: () => Promise<void>): Promise<void> => {
    try {
      await write();
    } catch (error) {
      log.warn(what, { error: (error as Error).message });
    }
  };

  const wake = (keys: readonly string[]): void => {
    const ended = new Set(keys);
    for (const waiter of waiters) if (ended.has(waiter.key)) waiter.wake();
  };

  const look = async (): Promise<void> => {
    if (leases.size > 0 && performance.now() - renewedAt >= limits.cacheRenewEveryMs) {
      renewedAt = performance.now();
      await renewLeases(database, [...leases]);
    }
    if (waiters.size > 0) {
      const keys = new Map([...waiters].map((waiter) => [`${waiter.scope} ${waiter.key}`, waiter]));
      wake(await endedLeases(database, [...keys.values()]));
    }
  };

  /** Runs while there is anything to look after. */
  const watch = (): void => {
    timer ??= setInterval(() => {
      if (leases.size === 0 && waiters.size === 0) {
        clearInterval(timer);
        timer = undefined;
        return;
      }
      if (looking) return;
      looking = true;
      void quietly('a look at calls that wait for equal ones failed', look).finally(() => {
        looking = false;
      });
    }, limits.cacheLookEveryMs);
  };

  /** Only where a call ever waited is it worth a connection. What cannot be heard is looked for. */
  const listen = async (): Promise<void> => {
    if (stopped) return;
    listening ??= database.listen('belayer_cache', (key) => wake([key]));
    await listening.catch(() => {
      listening = undefined;
    });
  };

  const leaseOf = (wanted: WantedEntry, holder: string | undefined): CacheLease => {
    const { scope, key } = wanted;
    const held = holder === undefined ? undefined : { scope, key, holder };
    if (held !== undefined) {
      if (leases.size === 0) renewedAt = performance.now();
      leases.add(held);
      watch();
    }
    let ended = false;
    const end = async (write: () => Promise<void>): Promise<void> => {
      if (ended) return;
      ended = true;
      if (held !== undefined) leases.delete(held);
      await quietly('the cache could not be written', write);
    };
    const release = (aloneMs?: number) => async (): Promise<void> => {
      if (holder !== undefined) await releaseEntry(database, { scope, key }, holder, aloneMs);
    };
    return {
      keep: (content) => {
        const bytes = entryBytes(content);
        if (bytes > limits.cacheEntryBytesMax) return end(release(limits.cacheAloneMs));
        // Its share until the next sweep is used up: how far the cache may be over its size has a bound.
        if (keptBytes + bytes > bytesMax * limits.cacheOvershootFactor)
          return end(release(limits.cacheAloneMs));
        keptBytes += bytes;
        return end(async () => void (await keepEntry(database, wanted, content, holder)));
      },
      release: () => end(release()),
      leave() {
        ended = true;
        if (held !== undefined) leases.delete(held);
      },
    };
  };

  const noteHit = ({ scope, key }: CacheKey): void => {
    const id = `${scope} ${key}`;
    const known = hits.get(id) ?? { scope, key, hits: 0 };
    known.hits += 1;
    hits.set(id, known);
  };

  const flushHits = async (): Promise<void> => {
    while (hits.size > 0) {
      const batch = [...hits].slice(0, limits.cacheHitsRowsMax);
      for (const [id] of batch) hits.delete(id);
      await countHits(
        database,
        batch.map(([, hit]) => hit),
      );
    }
  };

  return {
    buildId,
    async take(wanted, holder, { signal, waitMs }) {
      const untilMs = performance.now() + waitMs;
      const sleeper = createSleeper(signal, untilMs);
      const waiter: Waiter = { scope: wanted.scope, key: wanted.key, wake: () => sleeper.wake() };
      try {
        for (;;) {
          // Before it asks, so that what ends meanwhile is heard.
          sleeper.forget();
          const taken = await takeEntry(database, wanted, holder);
          switch (taken.verdict) {
            case 'hit':
              noteHit(wanted);
              return { kind: 'hit', entry: taken.entry };
            case 'lead':
              return { kind: 'make', lease: leaseOf(wanted, holder) };
            case 'alone':
              return { kind: 'make', lease: nothingKept };
            case 'follow':
              break;
            default:
              return taken satisfies never;
          }
          if (waiters.has(waiter)) await sleeper.sleep();
          else {
            waiters.add(waiter);
            watch();
            // It asks once more then: what ended before was not heard.
            await listen();
          }
          if (performance.now() >= untilMs) throw underWay(wanted);
        }
      } finally {
        waiters.delete(waiter);
      }
    },
    replace: (wanted) => leaseOf(wanted, undefined),
    flushHits,
    async sweep() {
      while (!stopped && (await sweepCache(database, bytesMax)).more);
      keptBytes = 0;
    },
    async stop() {
      stopped = true;
      clearInterval(timer);
      await quietly('hits of the cache could not be counted', flushHits);
      await (await listening?.catch(() => undefined))?.stop();
    },
  };
}

const nothingKept: CacheLease = {
  keep: () => Promise.resolve(),
  release: () => Promise.resolve(),
  leave: () => undefined,
};

/** For the workflow to wait: a worker's slot is too dear for more. */
const underWay = ({ kind, tool }: WantedEntry): ApplicationFailure =>
  ApplicationFailure.create({
    type: failureType.equalCallUnderWay,
    message: `An equal ${kind === 'tool' ? `call of tool ${tool}` : 'model call'} is under way in another run and takes longer than it was waited for.`,
    nonRetryable: true,
  });
