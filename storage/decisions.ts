/** What humans said to runs, on record before it is sent: decisions, answers, messages. */
import { BelayerError, failureType } from '../contracts/failures.ts';
import type { Database } from './database.ts';
import { runUnknown } from './ledger.ts';

export interface DecisionRow {
  readonly id: string;
  readonly position: string;
  readonly verdict: 'approved' | 'denied' | 'answered' | 'extended';
  readonly by: string;
  readonly reason: string | null;
  readonly argumentsHash: string;
  /** Other arguments, or an answer. */
  readonly body: string | null;
  readonly bodyHash: string | null;
}

/** @throws DecisionRejected  The id stands for another decision. */
export async function insertDecision(
  database: Database,
  run: string,
  row: DecisionRow,
): Promise<void> {
  const [kept] = await database.query<{ same: boolean | null }>(
    {
      name: 'insert_decision',
      text: `with r as (select no from belayer.run where id = $1), made as (
          insert into belayer.decision (run_no, id, position, verdict, by, reason, arguments_hash, body, body_hash)
          select no, $2, $3, $4, $5, $6, $7, $8, $9 from r on conflict do nothing returning id)
        select case when exists (select from made) then true else
          (select d.position = $3 and d.verdict = $4 and d.by = $5 and d.arguments_hash = $7 and d.body_hash is not distinct from $9
           from belayer.decision d where d.run_no = r.no and d.id = $2) end as same
        from r`,
    },
    [
      run,
      row.id,
      row.position,
      row.verdict,
      row.by,
      row.reason,
      row.argumentsHash,
      row.body,
      row.bodyHash,
    ],
  );
  if (kept === undefined) throw runUnknown(run);
  if (kept.same !== true)
    throw new BelayerError(
      failureType.decisionRejected,
      `Decision \`${row.id}\` of run \`${run}\` is on record with other words.`,
    );
}

export async function readDecision(
  database: Database,
  run: string,
  id: string,
): Promise<DecisionRow | undefined> {
  const [row] = await database.query<DecisionRow>(
    {
      name: 'read_decision',
      text: `select d.id, d.position, d.verdict, d.by, d.reason, d.arguments_hash as "argumentsHash", d.body, d.body_hash as "bodyHash"
        from belayer.decision d join belayer.run r on r.no = d.run_no where r.id = $1 and d.id = $2`,
    },
    [run, id],
  );
  return row;
}

/** The words of a refused decision, for those who watch. */
export async function refuseDecisionRow(
  database: Database,
  run: string,
  refused: {
    readonly position: string;
    readonly decision?: string;
    readonly by: string;
    readonly because: string;
  },
): Promise<void> {
  await database.query(
    { name: 'refuse_decision', text: 'select belayer.refuse_decision($1,$2,$3,$4,$5)' },
    [run, refused.position, refused.decision ?? null, refused.by, refused.because],
  );
}

/** Stores a person's message, once, by content. @throws RunUnknown */
export async function insertSaid(
  database: Database,
  run: string,
  said: { readonly hash: string; readonly body: string },
): Promise<void> {
  const [row] = await database.query<{ no: number }>(
    {
      name: 'insert_said',
      text: `with r as (select no from belayer.run where id = $1), kept as (
          insert into belayer.said (run_no, hash, body) select no, $2, $3 from r on conflict do nothing)
        select no from r`,
    },
    [run, said.hash, said.body],
  );
  if (row === undefined) throw runUnknown(run);
}
