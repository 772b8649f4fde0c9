/** What a run came to: its outcome row and its output's bytes. */
import type { RunOutcome } from '../contracts/agent-run.ts';
import type { Database } from './database.ts';

export interface EndedRun {
  readonly outcome: RunOutcome | null;
  /** Canonical JSON of the output of a run that is done. */
  readonly output: string | null;
  readonly costMicroUsd: number;
  readonly tokens: number;
  /** It runs elsewhere, if it runs: nothing here can be waited for. */
  readonly imported: boolean;
  /** It waits for its turn, without a workflow that could be waited for. */
  readonly isQueued: boolean;
}

export async function readEnd(database: Database, run: string): Promise<EndedRun | undefined> {
  const [row] = await database.query<EndedRun>(
    {
      name: 'read_end',
      text: `select r.outcome, c.output, b.spent_micro_usd as "costMicroUsd", b.spent_tokens as tokens, i.run_no is not null as imported,
          r.place is not distinct from 'queued' as "isQueued"
        from belayer.run r left join belayer.imported i on i.run_no = r.no
        left join belayer.call c on c.run_no = r.no and c.position = r.output_at
        left join belayer.budget b on b.scope = 'run' and b.subject = r.no::text and b.starts_at is null
        where r.id = $1`,
    },
    [run],
  );
  return row;
}
