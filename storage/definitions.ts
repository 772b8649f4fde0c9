/** Published definitions: what runs pin, and the fragments that their prompts begin with. */
import type { PublishedAgent } from '../contracts/definitions.ts';
import type { Hash } from '../contracts/agent-run.ts';
import type { Build } from '../contracts/deployments.ts';
import type { Database } from './database.ts';
import { sha256 } from './hash.ts';

export interface StoredDefinition extends PublishedAgent {
  /** By model: the text that a prompt begins with, and its hash. */
  readonly heads: Readonly<Record<string, { readonly hash: Hash; readonly body: string }>>;
}

/**
 * Publishes a definition, or makes an older one the newest again. Safe to repeat.
 *
 * `isWaiting`: it is on record for starts that go to its build, and is not the newest.
 */
export async function publishDefinition(
  database: Database,
  definition: PublishedAgent,
  heads: Readonly<Record<string, string>>,
  { isWaiting = false }: { readonly isWaiting?: boolean } = {},
): Promise<void> {
  const bodies = Object.values(heads);
  await database.query(
    {
      text: `with f as (
          insert into belayer.fragment (hash, body)
          select * from unnest($5::text[], $6::text[]) on conflict do nothing)
        insert into belayer.definition (hash, agent, build_id, body, heads, published_at)
        values ($1, $2, $3, $4, $7, case when $8 then '-infinity' else clock_timestamp() end)
        -- Of one that an import brought, only what its hash covers is known to be right.
        on conflict (hash) do update set agent = excluded.agent,
          build_id = excluded.build_id, body = excluded.body, heads = excluded.heads,
          published_at = case when $8 then belayer.definition.published_at else clock_timestamp() end`,
    },
    [
      definition.hash,
      definition.frozen.name,
      definition.frozen.buildId,
      JSON.stringify(definition.frozen),
      bodies.map(sha256),
      bodies,
      JSON.stringify(
        Object.fromEntries(Object.entries(heads).map(([model, body]) => [model, sha256(body)])),
      ),
      isWaiting,
    ],
  );
}

/** The definition that a start would pin now, or undefined where no worker has published the agent. */
export async function newestDefinition(
  database: Database,
  agent: string,
): Promise<PublishedAgent | undefined> {
  const [row] = await database.query<{ hash: string; body: PublishedAgent['frozen'] }>(
    {
      name: 'newest_definition',
      text: 'select hash, body from belayer.definition where agent = $1 order by published_at desc limit 1',
    },
    [agent],
  );
  return row === undefined ? undefined : { hash: row.hash, frozen: row.body };
}

/** What a build of a deployment has published last under this name. */
export async function deployedDefinition(
  database: Database,
  agent: string,
  { deployment, buildId }: Build,
): Promise<PublishedAgent | undefined> {
  const [row] = await database.query<{ hash: string; body: PublishedAgent['frozen'] }>(
    {
      name: 'deployed_definition',
      text: `select hash, body from belayer.definition
        where agent = $1 and build_id = $2 and body->>'deployment' = $3 order by published_at desc limit 1`,
    },
    [agent, buildId, deployment],
  );
  return row === undefined ? undefined : { hash: row.hash, frozen: row.body };
}

export async function publishedAgents(database: Database): Promise<readonly string[]> {
  const rows = await database.query<{ agent: string }>({
    // Imported definitions are under no name.
    text: "select distinct agent from belayer.definition where agent <> '' order by agent",
  });
  return rows.map((row) => row.agent);
}

export async function storedDefinition(
  database: Database,
  hash: Hash,
): Promise<StoredDefinition | undefined> {
  const rows = await database.query<{
    frozen: PublishedAgent['frozen'];
    model: string | null;
    head: string;
    body: string;
  }>(
    {
      text: `select d.body as frozen, h.key as model, h.value as head, f.body
        from belayer.definition d
        left join lateral jsonb_each_text(d.heads) h on true
        left join belayer.fragment f on f.hash = h.value
        where d.hash = $1`,
    },
    [hash],
  );
  const [first] = rows;
  if (first === undefined) return undefined;
  return {
    hash,
    frozen: first.frozen,
    heads: Object.fromEntries(
      rows.flatMap((row) =>
        row.model === null ? [] : [[row.model, { hash: row.head, body: row.body }] as const],
      ),
    ),
  };
}
