import type { Database } from './database.ts';

/** What the newest reply of a run's models cost, in micro-dollars; 0 where it has none. */
export async function lastModelCost(database: Database, run: string): Promise<number> {
  const [row] = await database.query<{ cost: number }>(
    {
      name: 'last_model_cost',
      text: `select a.cost_micro_usd as cost from belayer.attempt a join belayer.run r on r.no = a.run_no
        where r.id = $1 and a.kind = 'model' and a.outcome = 'ok' order by a.started_at desc limit 1`,
    },
    [run],
  );
  return row?.cost ?? 0;
}
