/**
 * What PostgreSQL itself saw, beside the engine's own record: each claim and each halt in a table
 * of the tests, with the moment at which its transaction committed.
 *
 * A claim's row says when it was asked for; only its commit says when the call started. The rows
 * here are written once, so their `xmin` is the claim's transaction.
 */
import type { Database } from '../../storage/database.ts';

export interface ClaimSeen {
  readonly run: string;
  readonly position: string;
  readonly kind: 'model' | 'tool';
  readonly attempt: number;
  readonly worker: string;
  readonly committedMs: number;
}

export interface HaltSeen {
  readonly run: string;
  readonly committedMs: number;
}

/** PostgreSQL must run with it, or commits have no moment. */
export const observedSettings = { track_commit_timestamp: 'on' } as const;

export async function observe(database: Database): Promise<void> {
  await database.query({
    text: `
      create schema chaos;
      create table chaos.claim (run_no bigint, position text, kind text, attempt int, worker text);
      create table chaos.halt (run text);
      create function chaos.note_claim() returns trigger language plpgsql as $$
      begin
        insert into chaos.claim values (new.run_no, new.position, new.kind, new.attempt, new.worker);
        return null;
      end $$;
      create function chaos.note_halt() returns trigger language plpgsql as $$
      begin
        insert into chaos.halt values (new.subject);
        return null;
      end $$;
      create trigger chaos_claimed after insert on belayer.call
        for each row when (new.state = 'claimed') execute function chaos.note_claim();
      create trigger chaos_claimed_again after update on belayer.call
        for each row when (new.state = 'claimed' and (old.state <> 'claimed' or new.attempt <> old.attempt))
        execute function chaos.note_claim();
      create trigger chaos_halted after insert on belayer.stop_flag
        for each row when (new.scope = 'run') execute function chaos.note_halt();`,
  });
}

const committed = (alias: string): string =>
  `(extract(epoch from pg_xact_commit_timestamp(${alias}.xmin)) * 1000)::float8 as "committedMs"`;

export const claimsSeen = (database: Database): Promise<readonly ClaimSeen[]> =>
  database.query<ClaimSeen>({
    text: `select r.id as run, c.position, c.kind, c.attempt, c.worker, ${committed('c')}
      from chaos.claim c join belayer.run r on r.no = c.run_no`,
  });

/** The first of each run. */
export async function haltsSeen(database: Database): Promise<ReadonlyMap<string, number>> {
  const rows = await database.query<HaltSeen>({
    text: `select h.run, ${committed('h')} from chaos.halt h order by 2 desc`,
  });
  return new Map(rows.map(({ run, committedMs }) => [run, committedMs]));
}
