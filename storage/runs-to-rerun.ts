import type { Database } from './database.ts';

export interface RunsToRerun {
  readonly agent?: string;
  readonly customer?: string;
  /** Started at or after. */
  readonly since: Date;
  /** Started before. */
  readonly until?: Date;
  /** So many of them, drawn by the seed: the same runs and seed give the same ones. */
  readonly sample: { readonly runs: number; readonly seed: number };
}

/** Runs whose workflow has started and that are no sub-agent's, by id: those are in their parents' recordings. */
export function runsToRerun(
  database: Database,
  { agent, customer, since, until, sample }: RunsToRerun,
): Promise<readonly { readonly id: string; readonly agent: string }[]> {
  return database.query<{ id: string; agent: string }>(
    {
      text: `select id, agent from (
          select r.id, r.agent from belayer.run r join belayer.pulse p on p.run_no = r.no
          where p.state not in ('starting', 'queued') and r.parent is null and ($1::text is null or r.agent = $1)
            and ($2::text is null or r.customer = $2) and r.created_at >= $3
            and ($4::timestamptz is null or r.created_at < $4)
          order by md5(r.id || '/' || $5::text), r.id limit $6) drawn
        order by id`,
    },
    [agent ?? null, customer ?? null, since, until ?? null, String(sample.seed), sample.runs],
  );
}
