/** What a run came to: its outcome row and its output's bytes. */
import type { RunOutcome } from '../contracts/agent-run.ts';
import type { Database } from './database.ts';

export interface EndedRun {
  readonly outcome: RunOutcome | null;
  /** Canonical JSON of the output of a run that is done. */
  readonly output: string | null;
  readonly costMicroUsd: number;
  readonly tokens: number;
}

export async function readEnd(database: Database, run: string): Promise<EndedRun | undefined> {
  const [row] = await database.query<EndedRun>(
    {
      name: 'read_end',
      text: `select r.outcome, c.output, b.spent_micro_usd as "costMicroUsd", b.spent_tokens as tokens
        from belayer.run r
        left join belayer.call c on c.run_no = r.no and c.position = r.output_at
        left join belayer.budget b on b.scope = 'run' and b.subject = r.no::text and b.starts_at is null
        where r.id = $1`,
    },
    [run],
  );
  return row;
}
