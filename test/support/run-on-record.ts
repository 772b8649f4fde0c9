import type { Database } from '../../storage/database.ts';
import { insertRequest } from '../../storage/requests.ts';
import { insertRun } from '../../storage/runs.ts';

let runs = 0;

/** A run on record without a workflow: what the database knows of a run, and nothing else. */
export async function aRunOnRecord(database: Database, agent = 'support'): Promise<string> {
  await database.query(
    {
      text: `insert into belayer.definition (hash, agent, build_id, body, heads) values ($1, $1, 'test', '{}', '{}')
        on conflict do nothing`,
    },
    [agent],
  );
  const run = `${agent}-${(runs += 1)}-${process.pid}`;
  const { verdict } = await insertRun(database, {
    run,
    agent,
    customer: 'acme',
    definition: agent,
    inputHash: 'i',
    fragment: '{}',
    head: 'h',
    costMicroUsd: 1_000_000,
    tokens: 1_000_000,
  });
  if (verdict !== 'started') throw new Error(`The run is ${verdict}.`);
  return run;
}

/** An open request of it. */
export async function anOpenRequest(
  database: Database,
  run: string,
  given: { readonly position?: string; readonly tool?: string; readonly arguments?: string } = {},
): Promise<void> {
  const {
    position = '1.1/approval',
    tool = 'refund',
    arguments: json = '{"amountUsd":80}',
  } = given;
  await insertRequest(database, run, {
    position,
    kind: 'approval',
    tool,
    argumentsHash: 'a1',
    arguments: json,
    from: '1',
    id: 'call_1',
    deadlineMs: Date.now() + 60_000,
  });
}
