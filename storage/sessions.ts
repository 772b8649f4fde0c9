/** Sessions: the run that a key stands for, and where its turns ended. */
import type { RunOutcome } from '../contracts/agent-run.ts';
import type { Database } from './database.ts';
import type { RunToStart } from './runs.ts';

export interface SessionRow extends RunToStart {
  /** Of the message that began it. */
  readonly inputHash: string;
  readonly outcome: RunOutcome | null;
  readonly endedAt: Date | null;
  /** It waits for its turn: no workflow of it may be started. */
  readonly isQueued: boolean;
}

const columns = `r.id, r.agent, r.customer, r.definition, r.options, e.head, octet_length(e.fragment) as bytes,
  r.fork->'input' as "forkInput", r.input_hash as "inputHash", r.outcome, r.ended_at as "endedAt",
  r.place is not distinct from 'queued' as "isQueued"
  from belayer.run r left join belayer.entry e on e.run_no = r.no and e.chain = 0 and e.seq = 0`;

export async function readSessionOf(
  database: Database,
  run: string,
): Promise<SessionRow | undefined> {
  const [row] = await database.query<SessionRow>(
    { name: 'read_session_of', text: `select ${columns} where r.id = $1` },
    [run],
  );
  return row;
}

/** The run of a session, or undefined where there is none. */
export async function readSession(
  database: Database,
  session: { readonly agent: string; readonly customer: string; readonly key: string },
): Promise<SessionRow | undefined> {
  const [row] = await database.query<SessionRow>(
    {
      name: 'read_session',
      text: `select ${columns} where r.agent = $1 and r.customer = $2 and r.key = $3`,
    },
    [session.agent, session.customer, session.key],
  );
  return row;
}

/** Frees the key of a session that has ended, so that another may begin under it. */
export async function releaseSession(database: Database, run: string): Promise<void> {
  await database.query(
    { text: 'update belayer.run set key = null where id = $1 and ended_at is not null' },
    [run],
  );
}

export interface TurnEnd {
  readonly kind: 'turn.ended' | 'run.ended';
  /** Canonical JSON of the turn's output. */
  readonly output: string | null;
  /** Number of the run's newest event. */
  readonly newest: number;
}

/** How a turn ended, and the number of the newest event to watch from while it has not. */
export async function readTurnEnd(
  database: Database,
  run: string,
  turn: number,
): Promise<TurnEnd | { readonly kind: null; readonly newest: number } | undefined> {
  const [row] = await database.query<TurnEnd | { kind: null; newest: number }>(
    {
      name: 'read_turn_end',
      text: `select e.kind, c.output, p.events as newest
        from belayer.run r join belayer.pulse p on p.run_no = r.no
        left join lateral (
          select e.kind, e.position from belayer.event e where e.run_no = r.no
            and ((e.kind = 'turn.ended' and (e.body->>'turn')::int >= $2) or e.kind = 'run.ended')
          order by e.number limit 1) e on true
        left join belayer.call c on c.run_no = r.no and c.position = e.position
        where r.id = $1`,
    },
    [run, turn],
  );
  return row;
}
