/** Kept replies and results (`0011-cache.ts`): each function here is one round trip. */
import type { Hash } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import type { Database } from './database.ts';
import { storableJson } from './storable.ts';

/** Under what an entry is found, and for whom. */
export interface CacheKey {
  /** Who shares it: `cacheScope` says. */
  readonly scope: string;
  readonly key: Hash;
}

export interface WantedEntry extends CacheKey {
  readonly kind: 'prompt' | 'tool';
  readonly agent: string;
  readonly tool?: string;
  readonly customer?: string;
  /** How old it may be, and how long it is kept. */
  readonly forMs: number;
  readonly run: string;
  readonly position: Position;
}

/** What is kept. */
export interface EntryContent {
  /** Of a reply: its message. Of a result: its text, as JSON. */
  readonly body: string;
  readonly about: EntryFacts;
  /** Of making it. */
  readonly costMicroUsd: number;
}

export interface EntryFacts {
  /** The model that answered, as the provider said. */
  readonly model?: string;
  readonly finishReason?: string;
  /** Of the prompt and the reply, where the provider counted them. */
  readonly tokens?: number;
  /** How long a tool ran. */
  readonly tookMs?: number;
}

export interface KeptEntry extends EntryContent {
  readonly run: string;
  readonly position: Position;
  readonly madeAt: Date;
}

export type TakenEntry =
  | { readonly verdict: 'hit'; readonly entry: KeptEntry }
  /** The caller makes it, and holds the lease. */
  | { readonly verdict: 'lead' }
  /** Somebody else makes it. */
  | { readonly verdict: 'follow' }
  /** It was too large to be kept just now: nobody waits for it. */
  | { readonly verdict: 'alone' };

export async function takeEntry(
  database: Database,
  wanted: WantedEntry,
  holder: string,
): Promise<TakenEntry> {
  const [row] = await database.query<{
    verdict: TakenEntry['verdict'];
    body: string;
    about: EntryFacts;
    cost_micro_usd: number;
    run: string;
    position: Position;
    made_at: Date;
  }>({ name: 'cache_take', text: 'select * from belayer.cache_take($1,$2,$3,$4,$5,$6,$7,$8,$9)' }, [
    wanted.scope,
    wanted.key,
    wanted.forMs,
    holder,
    `${wanted.run}/${wanted.position}`,
    wanted.agent,
    wanted.tool ?? '',
    wanted.customer ?? '',
    limits.cacheLeaseMs,
  ]);
  invariant(row !== undefined, 'cache_take answers with one row');
  if (row.verdict !== 'hit') return { verdict: row.verdict };
  const { body, about, run, position } = row;
  return {
    verdict: 'hit',
    entry: { body, about, run, position, costMicroUsd: row.cost_micro_usd, madeAt: row.made_at },
  };
}

/** What an entry with this content takes in the database. */
export const entryBytes = ({ body }: Pick<EntryContent, 'body'>): number =>
  Buffer.byteLength(body) + limits.cacheEntryOverheadBytes;

/** False where the lease is another's by now: nothing was stored. `holder` undefined: it was made without one. */
export async function keepEntry(
  database: Database,
  wanted: WantedEntry,
  content: EntryContent,
  holder: string | undefined,
): Promise<boolean> {
  const [row] = await database.query<{ kept: boolean }>(
    {
      name: 'cache_keep',
      text: 'select belayer.cache_keep($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14) as kept',
    },
    [
      wanted.scope,
      wanted.key,
      holder ?? null,
      wanted.kind,
      wanted.agent,
      wanted.tool ?? '',
      wanted.customer ?? '',
      content.body,
      storableJson(content.about),
      entryBytes(content),
      content.costMicroUsd,
      wanted.run,
      wanted.position,
      wanted.forMs,
    ],
  );
  return row?.kept === true;
}

/** Ends a lease without an entry. `aloneMs`: nobody waits for an equal call for so long. */
export async function releaseEntry(
  database: Database,
  { scope, key }: CacheKey,
  holder: string,
  aloneMs?: number,
): Promise<void> {
  await database.query(
    { name: 'cache_release', text: 'select belayer.cache_release($1,$2,$3,$4)' },
    [scope, key, holder, aloneMs ?? null],
  );
}

export async function renewLeases(
  database: Database,
  leases: readonly (CacheKey & { readonly holder: string })[],
): Promise<void> {
  await database.query({ name: 'cache_renew', text: 'select belayer.cache_renew($1,$2,$3,$4)' }, [
    leases.map(({ scope }) => scope),
    leases.map(({ key }) => key),
    leases.map(({ holder }) => holder),
    limits.cacheLeaseMs,
  ]);
}

/** Those of the keys that nobody is making any more. */
export async function endedLeases(
  database: Database,
  keys: readonly CacheKey[],
): Promise<readonly Hash[]> {
  const rows = await database.query<{ key: Hash }>(
    { name: 'cache_ended', text: 'select belayer.cache_ended($1,$2) as key' },
    [keys.map(({ scope }) => scope), keys.map(({ key }) => key)],
  );
  return rows.map(({ key }) => key);
}

export async function countHits(
  database: Database,
  hits: readonly (CacheKey & { readonly hits: number })[],
): Promise<void> {
  await database.query(
    { name: 'cache_count_hits', text: 'select belayer.cache_count_hits($1,$2,$3)' },
    [hits.map(({ scope }) => scope), hits.map(({ key }) => key), hits.map((hit) => hit.hits)],
  );
}

/** One batch of a sweep: entries that expired, then those that were not hit for the longest, until all fit. */
export async function sweepCache(
  database: Database,
  bytesMax: number,
): Promise<{ readonly removed: number; readonly more: boolean }> {
  const [row] = await database.query<{ removed: number; more: boolean }>(
    { name: 'cache_sweep', text: 'select * from belayer.cache_sweep($1,$2)' },
    [bytesMax, limits.cacheSweepRowsMax],
  );
  invariant(row !== undefined, 'cache_sweep answers with one row');
  return row;
}

/** What is kept of an agent's replies, or of a tool's results, that have not expired. */
export interface CacheRow {
  readonly kind: 'prompt' | 'tool';
  /** Of the runs that made them. */
  readonly agent: string;
  readonly tool: string | null;
  readonly entries: number;
  readonly bytes: number;
  /** Of these entries. Counted a few seconds after they happen. */
  readonly hits: number;
  /** What their hits would have cost otherwise. */
  readonly savedMicroUsd: number;
  readonly oldestAt: Date;
  readonly newestAt: Date;
}

export function readCache(database: Database): Promise<readonly CacheRow[]> {
  return database.query<CacheRow>(
    {
      text: `select kind, agent, nullif(tool, '') as tool, count(*) as entries, sum(bytes)::int8 as bytes, sum(hits)::int8 as hits,
          sum(hits * cost_micro_usd)::int8 as "savedMicroUsd", min(created_at) as "oldestAt", max(created_at) as "newestAt"
        from belayer.cache_entry where expires_at > belayer.cache_now()
        group by kind, agent, tool order by sum(bytes) desc, kind, agent, tool limit $1`,
    },
    [limits.cacheGroupsShownMax],
  );
}

export interface CacheFilter {
  /** Made for this customer's runs, shared ones included. */
  readonly customer?: string;
  readonly agent?: string;
  readonly tool?: string;
}

/** Removes what fits the filter, and what is being made of it is not kept. How many entries there were. */
export async function clearCache(
  database: Database,
  { customer, agent, tool }: CacheFilter,
): Promise<number> {
  const filter = [customer ?? null, agent ?? null, tool ?? null];
  const fits = `($1::text is null or customer = $1) and ($2::text is null or agent = $2) and ($3::text is null or tool = $3)`;
  // First, so that nothing that began before comes behind.
  await database.query({ text: `delete from belayer.cache_lease where ${fits}` }, filter);
  for (let removed = 0; ;) {
    const [row] = await database.query<{ removed: number }>(
      {
        text: `with gone as (delete from belayer.cache_entry where ctid = any(array(
            select ctid from belayer.cache_entry where ${fits} limit $4)) returning 1)
          select count(*) as removed from gone`,
      },
      [...filter, limits.cacheSweepRowsMax],
    );
    removed += row?.removed ?? 0;
    if ((row?.removed ?? 0) < limits.cacheSweepRowsMax) return removed;
  }
}
