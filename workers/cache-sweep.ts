import type { CallCache } from '../activities/call-cache.ts';
import type { Log } from '../activities/dependencies.ts';
import { limits } from '../contracts/limits.ts';
import { repeat } from './repeat.ts';

/** Counts a worker's hits and keeps the cache within its size. The returned function ends it, and the cache's waits. */
export function startCacheSweep(cache: CallCache, log: Log): () => Promise<void> {
  const loops = [
    repeat(() => cache.flushHits(), { everyMs: limits.cacheHitsEveryMs, failed: 'hits of the cache could not be counted', log }), // prettier-ignore
    repeat(() => cache.sweep(), { everyMs: limits.cacheSweepEveryMs, failed: 'a sweep of the cache failed', log }), // prettier-ignore
  ];
  return async () => {
    await Promise.all(loops.map((stop) => stop()));
    await cache.stop();
  };
}
