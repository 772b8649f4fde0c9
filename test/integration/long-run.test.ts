import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { readJournal } from '../../storage/reading-runs.ts';
import { reply } from '../../testing/provider/index.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
const approved: string[] = [];

const note = defineTool({
  name: 'note',
  description: 'Gives a kilobyte.',
  effect: 'read',
  input: z.object({ n: z.number() }),
  run: ({ n }) => `${n}:`.padEnd(1_024, 'x'),
});
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  effect: 'write',
  repeat: 'keyed',
  approval: 'always',
  input: z.object({ n: z.number() }),
  run: ({ n }, { idempotencyKey }) => {
    approved.push(idempotencyKey);
    return `paid ${n}`;
  },
});
const agent = defineAgent({
  name: 'walker',
  instructions: 'Walk.',
  tools: [note, pay],
  limits: { steps: 400, contextTokens: 500_000, tokens: 100_000_000, costUsd: 1_000 },
});

// History is "long" after a few steps here, so that a run continues as new again and again.
beforeAll(async () => {
  world = await createWorld({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 40 },
  });
  await world.work(defineApp({ agents: [agent] }));
});
afterAll(async () => world?.stop());

test('a run continues as new at safe points while decisions and signals arrive, and none is lost', async () => {
  const steps = 60;
  world.provider.script((request) => {
    const step = Math.floor(request.messages.length / 2);
    if (step > steps) return reply.text('walked');
    return step % 5 === 0 ? reply.tools({ pay: { n: step } }) : reply.tools({ note: { n: step } });
  });
  const run = await world.belayer.start('walker', { input: 'go' });
  const handle = world.temporal.workflow.getHandle(run.id);
  let ended = false;
  let noise = 0;
  // Foreign signals and refused updates throughout: they must not disturb, and none may be lost.
  const disturb = async (): Promise<void> => {
    while (!ended) {
      await handle.signal('deny', { request: '0.0/approval', argumentsHash: 'x', by: 'noise' });
      await handle
        .executeUpdate('approve', {
          args: [{ request: '0.0/approval', argumentsHash: 'x', by: 'n' }],
        })
        .catch(() => undefined);
      noise += 1;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  };
  const noisy = disturb().catch(() => undefined);
  let receipts = 0;
  for await (const event of run.watch())
    if (event.kind === 'request.opened') {
      await run.approve(event.position);
      receipts += 1;
    }
  ended = true;
  await noisy;
  expect(await run.output()).toBe('walked');
  expect(receipts).toBe(steps / 5);
  expect(approved).toHaveLength(steps / 5);
  expect(new Set(approved).size).toBe(steps / 5);
  expect(noise).toBeGreaterThan(5);
  const description = await handle.describe();
  expect(description.raw.workflowExecutionInfo?.firstRunId).not.toBe(description.runId);
  const journal = await readJournal(world.database, run.id);
  expect(journal.filter((row) => row.kind === 'model')).toHaveLength(steps + 1);
  expect(journal.every((row) => row.outcome === 'ok')).toBe(true);
});

test('history and database grow linearly: a hundred steps stay within twelve times ten', async () => {
  const measure = async (steps: number): Promise<{ history: number; database: number }> => {
    world.provider.script((request) => {
      const step = Math.floor(request.messages.length / 2);
      return step >= steps ? reply.text('walked') : reply.tools({ note: { n: step } });
    });
    const run = await world.belayer.start('walker', { input: `${steps}` });
    await run.output();
    const [row] = await world.database.query<{ bytes: number }>(
      {
        text: `select ${['call', 'attempt', 'entry', 'event']
          .map(
            (name) =>
              `coalesce((select sum(pg_column_size(t.*)) from belayer.${name} t where t.run_no = r.no), 0)`,
          )
          .join('+')} as bytes from belayer.run r where r.id = $1`,
      },
      [run.id],
    );
    return { history: await historyBytes(run.id), database: Number(row?.bytes) };
  };
  const ten = await measure(10);
  const hundred = await measure(100);
  expect(ten.history).toBeGreaterThan(1_000);
  expect(hundred.history).toBeLessThan(12 * ten.history);
  expect(hundred.database).toBeLessThan(12 * ten.database);
});

/** Over all executions of a run, as the server counts them. */
async function historyBytes(run: string): Promise<number> {
  let bytes = 0;
  for await (const execution of world.temporal.workflow.list({
    query: `WorkflowId = '${run}'`,
  })) {
    const { raw } = await world.temporal.workflow.getHandle(run, execution.runId).describe();
    bytes += Number(raw.workflowExecutionInfo?.historySizeBytes ?? 0);
  }
  return bytes;
}
