import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
const ran: string[] = [];
const order = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  output: z.object({ id: z.string(), state: z.string() }),
  run: ({ id }, ctx) => {
    ran.push(`${ctx.run} ${ctx.position} ${id}`);
    return { id, state: 'open' };
  },
});
const pay = defineTool({
  name: 'pay',
  description: 'Pay.',
  effect: 'write',
  repeat: 'keyed',
  input: z.object({ amount: z.number() }),
  run: ({ amount }, ctx) => {
    ran.push(`${ctx.run} ${ctx.position} ${amount}`);
    return { paid: amount };
  },
});
const app = defineApp({
  agents: [defineAgent({ name: 'clerk', instructions: 'Work.', tools: [order, pay] })],
});

beforeAll(async () => {
  world = await createWorld();
  await world.work(app);
});
afterAll(async () => world?.stop());

test('a finished run is forked at a model call', async () => {
  world.provider.script([
    reply.tools({ order: { id: 'a' }, pay: { amount: 5 } }),
    reply.tools({ order: { id: 'b' } }),
    reply.text('done'),
  ]);
  const run = await world.belayer.start('clerk', { input: 'Go.' });
  expect(await run.output()).toBe('done');
  world.provider.script([reply.text('other')]);
  const t = performance.now();
  const fork = await run.fork({ at: '2' });
  console.log('fork ms', performance.now() - t);
  expect(await fork.output()).toBe('other');
  console.log(await fork.status());
  for await (const e of fork.watch()) console.log(e);
  world.provider.script([reply.text('third')]);
  const third = await run.fork({ at: '2.1', edit: { result: { id: 'b', state: 'lost' } } });
  expect(await third.output()).toBe('third');
  console.log(JSON.stringify(world.provider.requests.at(-1)?.body));
  for await (const e of third.watch()) console.log(e);
  console.log(ran);
});
