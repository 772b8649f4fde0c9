import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { defineAgent, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
const orders = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  run: ({ id }) => ({ id, state: 'shipped' }),
});
const agent = defineAgent({ name: 'support', instructions: 'Answer about orders.', tools: [orders] });

beforeAll(async () => {
  world = await createWorld();
  await world.work(agent);
});
afterAll(async () => world?.stop());

test('a run calls its tools and ends with its output', async () => {
  world.provider.script([reply.tools({ order: { id: 'A-17' } }), reply.text('It is shipped.')]);
  const run = await world.belayer.start('support', { input: 'Where is A-17?' });
  expect(await run.output()).toBe('It is shipped.');
  const events = [];
  for await (const event of run.watch()) events.push(event.kind);
  expect(events).toEqual(['run.started', 'model.replied', 'tool.finished', 'model.replied', 'run.ended']);
});
