/** Tools that run in place of others: that it was so, and with which arguments. */
import type { Hash } from '../contracts/agent-run.ts';
import type { Position } from '../contracts/positions.ts';
import type { Database } from './database.ts';
import { storableJson } from './storable.ts';

/**
 * Puts on record that another tool is tried at this position, once. Arguments that are too long for
 * history are kept by their hash, as messages are: no reply holds them.
 */
export async function recordFallback(
  database: Database,
  run: string,
  fallback: {
    readonly position: Position;
    readonly tool: string;
    readonly to: string;
    readonly kept?: { readonly hash: Hash; readonly text: string };
  },
): Promise<void> {
  await database.query(
    {
      name: 'record_fallback',
      text: `with kept as (
          insert into belayer.fragment (hash, body)
          select $4, $5 where $4::text is not null on conflict do nothing)
        select belayer.add_event(r.no, 'tool.fellback', $2, $3) from belayer.run r
        where r.id = $1 and not exists (
          select from belayer.event e
          where e.run_no = r.no and e.kind = 'tool.fellback' and e.position = $2)`,
    },
    [
      run,
      fallback.position,
      storableJson({ tool: fallback.tool, to: fallback.to }),
      fallback.kept?.hash ?? null,
      fallback.kept?.text ?? null,
    ],
  );
}

export async function readKeptArguments(
  database: Database,
  hash: Hash,
): Promise<string | undefined> {
  const [row] = await database.query<{ body: string }>(
    { name: 'read_kept_arguments', text: 'select body from belayer.fragment where hash = $1' },
    [hash],
  );
  return row?.body;
}
