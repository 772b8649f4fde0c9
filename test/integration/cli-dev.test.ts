import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reply } from '../../testing/provider/index.ts';
import { type CliWorld, createCliWorld, until } from '../support/cli-world.ts';

let world: CliWorld;
beforeAll(async () => {
  world = await createCliWorld();
});
afterAll(async () => world?.stop());

test('dev reloads changed code, survives code that does not load, and stops when it is told to', async () => {
  const file = join(world.folder, 'agent.ts');
  const code = readFileSync(file, 'utf8');
  world.provider.script(() => reply.text('ok'));
  const dev = world.belayer('dev', 'agent.ts');
  await until(dev.errors, /Agents +support/);
  const asked = async (): Promise<string> => {
    const ran = await world.ask('run', 'agent.ts', 'go', '--no-worker');
    expect(ran.code).toBe(0);
    return world.provider.requests.at(-1)?.body ?? '';
  };
  expect(await asked()).toContain('Answer about orders.');

  writeFileSync(file, code.replace('Answer about orders.', 'Answer in verse.'));
  await until(dev.errors, /changed[\s\S]*Agents +support/);
  expect(await asked()).toContain('Answer in verse.');

  writeFileSync(file, `${code}\nthis is no code`);
  await until(dev.errors, /could not be loaded/);
  writeFileSync(file, code.replace('Answer about orders.', 'Answer again.'));
  await until(dev.errors, /could not be loaded[\s\S]*Agents +support/);
  expect(await asked()).toContain('Answer again.');

  dev.interrupt();
  expect((await dev).code).toBe(0);
});
