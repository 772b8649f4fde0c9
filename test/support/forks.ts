/** What must hold of every fork and of the run that it was forked from. */
import { expect } from 'vitest';
import type { Run } from '../../client/index.ts';
import { readHistories } from '../../client/recordings/read-histories.ts';
import type { RunEvent } from '../../contracts/events.ts';
import { checkPrompts } from '../../storage/recordings/check-prompts.ts';
import { inTransaction } from '../../storage/transaction.ts';
import { replay } from '../../testing/index.ts';
import type { World } from './world.ts';

const tables = [
  'call',
  'attempt',
  'entry',
  'segment',
  'event',
  'request',
  'decision',
  'said',
  'given',
];

/** Every row of a run that its workflow and its people write, as text: the same text means that nothing changed. */
export async function rowsOf({ database }: World, run: Run): Promise<string> {
  const parts = tables.map(
    (table) =>
      `select '${table}' as part, row_to_json(t)::text as row from belayer.${table} t join belayer.run r on r.no = t.run_no where r.id = $1`,
  );
  const rows = await database.query<{ part: string; row: string }>(
    {
      text: `select * from (${parts.join(' union all ')}
        union all select 'run', row_to_json(r)::text from belayer.run r where r.id = $1
        union all select 'pulse', json_build_array(p.state, p.events, p.system)::text from belayer.pulse p join belayer.run r on r.no = p.run_no where r.id = $1
        union all select 'budget', row_to_json(b)::text from belayer.budget b join belayer.run r on b.scope = 'run' and b.subject = r.no::text where r.id = $1) x
        order by part, row`,
    },
    [run.id],
  );
  return rows.map(({ part, row }) => `${part} ${row}`).join('\n');
}

/** It replays strictly, and every prompt that was sent can be put together and hashes to what was recorded. */
export async function expectSound(world: World, run: Run, prompts: number): Promise<void> {
  const executions: { runId: string; history: string }[] = [];
  for (const execution of await readHistories(world, run.id))
    executions.push({ runId: execution.runId, history: await execution.json() });
  await replay({ workflowId: run.id, executions });
  const [row] = await world.database.query<{ no: number }>(
    { text: 'select no from belayer.run where id = $1' },
    [run.id],
  );
  const check = await inTransaction(world.database, 'read', (query) =>
    checkPrompts(query, row?.no ?? 0, { prompt: () => false, chainFrom: () => Infinity }),
  );
  expect(check).toEqual({ whole: prompts, wrong: [] });
}

export async function eventsOf(run: Run): Promise<readonly RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.watch()) events.push(event);
  return events;
}

/** The messages of the newest request to the provider. */
export function lastMessages({ provider }: World): readonly {
  readonly role: string;
  readonly content: string | null;
  readonly tool_call_id?: string;
}[] {
  const body = JSON.parse(provider.requests.at(-1)?.body ?? '{}') as {
    readonly messages: ReturnType<typeof lastMessages>;
  };
  return body.messages;
}
