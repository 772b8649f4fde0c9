/** Halting while one of the two stores is down: the other one is enough. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runProgram } from '../../client/commands/program.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { aTerminal } from '../support/a-terminal.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
const refund = defineTool({
  name: 'refund',
  description: 'Refund an order.',
  effect: 'write',
  repeat: 'keyed',
  approval: 'always',
  input: z.object({ id: z.string() }),
  run: () => 'refunded',
});
const clerk = defineAgent({ name: 'clerk', instructions: 'Refund.', tools: [refund] });

beforeAll(async () => {
  world = await createWorld({ temporalInMemory: false });
  await world.work(defineApp({ agents: [clerk] }));
  world.provider.script(() => reply.tools({ refund: { id: 'A' } }));
});
afterAll(async () => world?.stop());

async function aWaitingRun() {
  const run = await world.belayer.start('clerk', { input: 'go', customer: 'acme' });
  await eventually(async () => (await run.requests()).some(({ state }) => state === 'open'));
  return run;
}

async function belayer(...words: string[]) {
  const { temporal, databaseUrl } = world.servers.addresses;
  const terminal = aTerminal({
    environment: { USER: 'ann', TEMPORAL_ADDRESS: temporal.address, DATABASE_URL: databaseUrl },
  });
  const code = await runProgram(words, terminal);
  expect(terminal.errors()).not.toMatch(/^\s+at /m);
  return { code, out: terminal.output(), errors: terminal.errors() };
}

test('with Temporal down the flag alone is accepted, and a worker tells the run when Temporal is back', async () => {
  const run = await aWaitingRun();
  await world.servers.killTemporal();
  const halted = await belayer('halt', run.id, '--reason', 'now');
  expect(halted.code).toBe(0);
  expect(halted.out).toContain('no further call of it starts');
  expect(halted.errors).toMatch(/Temporal does not answer.*The stop flag is set/);
  const all = await world.belayer.stop({ customer: 'acme' }, { reason: 'too' });
  expect(all).toMatchObject({ isNew: true, halted: 0, of: 1 });
  expect(all.left).toMatch(/Temporal does not answer|a worker is telling/);
  const forced = await belayer('halt', run.id, '--reason', 'now', '--force');
  expect(forced.code).toBe(69);
  expect(await run.status()).toMatchObject({ state: 'halting' });
  await world.servers.restartTemporal();
  expect(await run.outcome()).toMatchObject({ because: 'halted', detail: 'now' });
  await world.belayer.lift({ customer: 'acme' }, { reason: 'over' });
});

test('with Temporal down flags are set, listed and lifted, and the inbox is read', async () => {
  const run = await aWaitingRun();
  await world.servers.killTemporal();
  const stopped = await belayer('halt', '--customer', 'acme', '--reason', 'fraud', '--json');
  expect(stopped.code).toBe(0);
  expect(JSON.parse(stopped.out)).toMatchObject({ scope: 'customer', isNew: true, of: 1 });
  const again = await belayer('halt', '--customer', 'acme', '--reason', 'fraud');
  expect(again.code).toBe(0);
  expect(again.errors).toContain("A worker's sweep tells them, when Temporal answers.");
  expect(await belayer('flags')).toMatchObject({ code: 0, out: expect.stringContaining('fraud') });
  const inbox = await belayer('inbox');
  expect(inbox).toMatchObject({ code: 0, out: expect.stringContaining(run.id) });
  await world.servers.restartTemporal();
  expect(await run.outcome()).toMatchObject({ because: 'halted', detail: 'fraud' });
  await world.servers.killTemporal();
  expect((await belayer('lift', '--customer', 'acme', '--reason', 'over')).code).toBe(0);
  expect((await belayer('flags')).errors).toContain('No stop flag is set.');
  await world.servers.restartTemporal();
});

test('with PostgreSQL down the signal alone is accepted, and the run stops when PostgreSQL is back', async () => {
  const run = await aWaitingRun();
  await world.servers.killPostgres();
  const halted = await belayer('halt', run.id, '--reason', 'now', '--json');
  expect(halted.code).toBe(0);
  expect(JSON.parse(halted.out)).toMatchObject({
    run: run.id,
    flagged: false,
    signalled: true,
    note: expect.stringMatching(/PostgreSQL did not take the stop flag.*Temporal has the halt/),
  });
  const unknown = await belayer('halt', 'clerk-nobody', '--reason', 'now');
  expect(unknown.code).toBe(2);
  expect(unknown.errors).toContain('Nothing was halted');
  const forced = await belayer('halt', run.id, '--reason', 'now', '--force');
  expect(forced.code).toBe(69);
  await world.servers.restartPostgres();
  expect(await run.outcome()).toMatchObject({ because: 'halted', detail: 'now' });
});

test('with both down nothing is halted, and that is said', async () => {
  const run = await aWaitingRun();
  await world.servers.killTemporal();
  await world.servers.killPostgres();
  const halted = await belayer('halt', run.id, '--reason', 'now');
  expect(halted.code).toBe(69);
  expect(halted.errors).toContain('is NOT halted');
  await world.servers.restartPostgres();
  await world.servers.restartTemporal();
  await eventually(async () =>
    (await belayer('halt', run.id, '--reason', 'now')).code === 0 ? true : undefined,
  );
  expect(await run.outcome()).toMatchObject({ because: 'halted' });
});
