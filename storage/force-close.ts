/** The books of runs that are ended by force. */
import type { RunOutcome } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import type { Database } from './database.ts';

export interface FamilyMember {
  readonly id: string;
  readonly endedAt: Date | null;
  /** Effects whose outcome nobody knows. */
  readonly unknown: readonly string[];
}

/** A run and the runs of its sub-agents, newest first: a sub-agent before who called it. */
export function familyOf(database: Database, run: string): Promise<readonly FamilyMember[]> {
  return database.query<FamilyMember>(
    {
      name: 'family_of',
      text: `with recursive family as (
          select no, id, ended_at from belayer.run where id = $1
          union all
          select r.no, r.id, r.ended_at from family f join belayer.call c on c.run_no = f.no and c.kind = 'child'
          join belayer.run r on r.id = f.id || '/' || c.position)
        select r.id, r.ended_at as "endedAt",
          array(select c.position from belayer.call c where c.run_no = r.no and c.kind = 'tool' and c.state = 'unknown'
            order by c.first_claimed_at, c.position) as unknown
        from family r order by r.no desc`,
    },
    [run],
  );
}

export interface ClosedByForce {
  readonly run: string;
  /** False: it had ended before. */
  readonly closed: boolean;
  readonly outcome: RunOutcome;
  readonly unknown: readonly string[];
}

/** Closes a run's books in its place. The positions whose outcome nobody knows are in its detail, too. */
export async function closeByForce(
  database: Database,
  run: string,
  detail: string,
): Promise<ClosedByForce> {
  const [row] = await database.query<Omit<ClosedByForce, 'run'>>(
    {
      name: 'force_close',
      text: 'select closed, outcome, unknown from belayer.force_close($1,$2)',
    },
    [run, detail],
  );
  invariant(row !== undefined, 'force_close answers with one row');
  return { ...row, run };
}
