/**
 * A decision comes as an update, what it means is written by a local activity, and the run continues
 * as new: all in one workflow task. A signal that arrives meanwhile makes Temporal refuse that task
 * (UnhandledCommand), and with it the update: PostgreSQL says decided, the history says open.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Run } from '../../client/index.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;

const letter = defineTool({
  name: 'letter',
  description: 'Sends a letter.',
  effect: 'write',
  repeat: 'never',
  input: z.object({}),
  run: () => {
    throw new Error('connection lost');
  },
});

beforeAll(async () => {
  // Every run continues as new between any two steps.
  world = await createWorld({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 5 } });
  await world.work(
    defineApp({
      agents: [defineAgent({ name: 'writer', instructions: 'Write.', tools: [letter] })],
    }),
  );
});
afterAll(async () => world?.stop());

const waitsForTheRow = async (): Promise<boolean> => {
  const rows = await world.database.query({
    text: `select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'belayer worker'`,
  });
  return rows.length > 0;
};

test('a decision is not lost when a signal arrives while its run continues as new', async () => {
  world.provider.script([reply.tools({ letter: {} }), reply.text('ok')]);
  const own = (await world.belayer.start('writer', { input: 'go' })) as Run<string>;
  const request = await eventually(async () => (await own.requests())[0]);
  const holding = await world.database.pool.connect();
  await holding.query('begin; select from belayer.request for update');
  // Its caller is told that the task failed, and finds nothing in the inbox to decide again.
  const decided = own.deny(request.position).catch(() => undefined);
  try {
    await eventually(waitsForTheRow, 5_000);
    await world.temporal.workflow.getHandle(own.id).signal('noise');
  } finally {
    await holding.query('commit');
    holding.release();
  }
  await decided;
  expect(await world.belayer.inbox()).toEqual([]);
  expect(
    await eventually(async () => (await own.status()).endedAt ?? undefined, 8_000),
  ).toBeDefined();
}, 60_000);
