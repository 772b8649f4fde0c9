/**
 * Near calls that outlive their workflow task. Temporal prolongs the task with another one, which a replay
 * does not tell apart from the first: what a run decides must not rest on which of them it was.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { replay, reply } from '../../testing/index.ts';
import { app } from '../replay/scenarios.ts';
import { recordingOf } from '../support/recording-of.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  // Small histories, so that what is suggested changes within a prolonged task.
  world = await createWorld({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 15 } });
  await world.work(app);
});
afterAll(() => world?.stop());

test('a run whose near calls outlive their workflow tasks replays as it was', async () => {
  world.provider.script((request) => {
    const step = Math.floor(request.messages.length / 2);
    const number = Number(/run (\d+)/.exec(JSON.stringify(request.messages[1]))?.[1]);
    const thinkMs = 2_000 + number * 450;
    return step > 4
      ? { ...reply.text('done'), thinkMs }
      : { ...reply.tools({ read: { id: `${step}` } }), thinkMs };
  });
  const runs = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      world.belayer.start('near-worker', { input: `run ${index}` }),
    ),
  );
  for (const run of runs) {
    expect(await run.output()).toBe('done');
    await replay(await recordingOf(world, run.id));
  }
});

test('time passes with near calls: the limit of working time ends a run that makes no others', async () => {
  world.provider.script(() => ({ ...reply.tools({ read: { id: 'a' } }), thinkMs: 1_000 }));
  const run = await world.belayer.start('near-worker', {
    input: 'go',
    limits: { wall: '3 seconds' },
  });
  expect(await run.outcome()).toMatchObject({ kind: 'stopped', because: 'wall-limit' });
  await replay(await recordingOf(world, run.id));
});
