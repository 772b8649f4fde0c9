import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readRecording } from '../../client/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { type CliWorld, createCliWorld, until } from '../support/cli-world.ts';

let world: CliWorld;
beforeAll(async () => {
  world = await createCliWorld();
});
afterAll(async () => world?.stop());

test('a run prints its output alone on stdout, and what was sent is shown byte by byte', async () => {
  const sentBefore = world.provider.requests.length;
  world.provider.script([reply.tools({ order: { id: 'A-17' } }), reply.text('It is shipped.')]);
  const ran = await world.belayer('run', 'agent.ts', 'Where is A-17?');
  expect(ran).toMatchObject({ code: 0, out: 'It is shipped.\n' });
  expect(ran.errors).toMatch(/^1\.1 +order ok/m);
  const run = (await until(() => ran.errors, /Run (\S+)/))[1] ?? '';

  for (const [index, step] of ['1', '2'].entries()) {
    const shown = await world.belayer('show', run, '--step', step, '--prompt');
    expect(shown).toMatchObject({
      code: 0,
      out: world.provider.requests[sentBefore + index]?.body,
    });
  }

  const [text, shown, step, listed, watched, exported] = await Promise.all([
    world.ask('show', run),
    world.ask('show', run, '--json'),
    world.ask('show', run, '--step', '1', '--json'),
    world.ask('runs', '--json'),
    world.ask('watch', run, '--json'),
    world.ask('histories', 'export', run, '--out', 'history.json'),
  ]);
  expect(text.out).toMatch(/1\.1 +order +ok/);
  expect(JSON.parse(shown.out)).toMatchObject({
    run: { id: run, state: 'done', steps: 2 },
    output: 'It is shipped.',
    attempts: [{ position: '1' }, { position: '1.1' }, { position: '2' }],
  });
  expect(JSON.parse(step.out)).toMatchObject({
    calls: [
      { position: '1', message: { tool_calls: [{ function: { name: 'order' } }] } },
      { position: '1.1', message: { role: 'tool' } },
    ],
  });
  expect(JSON.parse(listed.out.split('\n')[0] ?? '')).toMatchObject({ id: run });
  const events = watched.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string });
  expect(events.map(({ kind }) => kind)).toEqual(['run.started', 'model.replied', 'tool.finished', 'model.replied', 'run.ended']); // prettier-ignore
  expect(watched.code).toBe(0);
  expect(exported.code).toBe(0);
  expect(readRecording(readFileSync(join(world.folder, 'history.json')))).toMatchObject({
    workflowId: run,
    executions: [{ history: { events: expect.arrayContaining([]) as unknown } }],
  });
});

test('a limit ends a run with 3', async () => {
  world.provider.script([
    reply.tools({ order: { id: 'A-1' } }),
    reply.text('Late.', { thinkMs: 300_000 }),
  ]);
  const limited = await world.belayer('run', 'agent.ts', 'Where is A-1?', '--steps', '1');
  expect(limited.code).toBe(3);
});
