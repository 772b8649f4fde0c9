/** Kept replies and results: what there is, and how to be rid of it. */
import { limits } from '../contracts/limits.ts';
import { type CacheFilter, type CacheRow, clearCache, readCache } from '../storage/cache.ts';
import { refuse, textMistakes, wordMistakes } from './check-words.ts';
import type { Parts } from './parts.ts';

export type ClearCache = CacheFilter;

export interface KeptCalls {
  /** By agent and tool, the largest first; at most 1,000. What has expired is not counted. */
  show(): Promise<readonly CacheRow[]>;
  /**
   * Removes entries, all of them or those that fit every name that is given, and gives their number. What is being
   * made meanwhile is not kept. The next equal calls are made.
   *
   * @throws InputRejected  A name does not fit. Nothing was removed.
   */
  clear(options?: ClearCache): Promise<number>;
}

export function cacheOn({ database }: Pick<Parts, 'database'>): KeptCalls {
  return {
    show: () => readCache(database),
    async clear(options = {}) {
      const mistakes = wordMistakes(options, { known: ['customer', 'agent', 'tool'] });
      const { customer, agent, tool } = options;
      if (customer !== undefined)
        mistakes.push(...textMistakes('customer', customer, limits.customerCharsMax));
      if (agent !== undefined)
        mistakes.push(...textMistakes('agent', agent, limits.agentNameCharsMax));
      if (tool !== undefined) mistakes.push(...textMistakes('tool', tool, limits.toolNameCharsMax));
      refuse('`cache.clear`', mistakes, 'Nothing was removed.');
      return clearCache(database, options);
    },
  };
}
