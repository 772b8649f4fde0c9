import type { Database } from './database.ts';

export interface RunsToReplay {
  readonly agent?: string;
  /** Started since. */
  readonly since?: Date;
  /** The newest so many. */
  readonly last: number;
  /** Of those, so many by chance. */
  readonly sample?: number;
}

/** Runs whose workflow has started, newest first. */
export function runsToReplay(
  database: Database,
  { agent, since, last, sample }: RunsToReplay,
): Promise<readonly { readonly id: string; readonly agent: string }[]> {
  return database.query<{ id: string; agent: string }>(
    {
      text: `select id, agent from (
          select newest.*, row_number() over (order by random()) as drawn from (
            select r.no, r.id, r.agent from belayer.run r join belayer.pulse p on p.run_no = r.no
            where p.state not in ('starting', 'queued') and ($1::text is null or r.agent = $1)
              and ($2::timestamptz is null or r.created_at >= $2)
            order by r.no desc limit $3) newest) chosen
        where $4::int is null or drawn <= $4 order by no desc`,
    },
    [agent ?? null, since ?? null, last, sample ?? null],
  );
}
