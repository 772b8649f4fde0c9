import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineAgent, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => world?.stop());

const tool = defineTool({
  name: 'look',
  description: 'Looks.',
  effect: 'read',
  input: z.object({}),
  run: () => 'seen',
});

test('a run whose tool no worker has waits visibly, and goes on when a worker brings it', async () => {
  const whole = await world.work(
    defineAgent({ name: 'looker', instructions: 'Look.', tools: [tool] }),
  );
  world.provider.script(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    return reply.tools({ look: {} });
  });
  const run = await world.belayer.start('looker', { input: 'go' });
  // Another build of the application, without the tool, takes over while the model thinks.
  const poor = await world.work(defineAgent({ name: 'other', instructions: 'Nothing.' }));
  await whole.stop();
  await eventually(async () => (await run.status()).state === 'no-worker', 40_000);
  world.provider.script([reply.text('done')]);
  await poor.stop();
  await world.work(defineAgent({ name: 'looker', instructions: 'Look.', tools: [tool] }));
  expect(await run.output()).toBe('done');
});
