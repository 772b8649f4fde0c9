import { NativeConnection, Worker } from '@temporalio/worker';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineAgent } from '../../definitions/index.ts';
import { fault, reply } from '../../testing/provider/index.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let worker: Worker;
let working: Promise<void>;
let connection: NativeConnection;

const clerk = defineAgent({
  name: 'clerk',
  instructions: 'Answer.',
  input: z.object({ email: z.string() }),
  output: z.object({ reply: z.string() }),
});

beforeAll(async () => {
  world = await createWorld();
  await world.work(clerk);
  connection = await NativeConnection.connect({
    address: world.servers.addresses.temporal.address,
  });
  worker = await Worker.create({
    connection,
    taskQueue: 'application',
    workflowsPath: fileURLToPath(new URL('../support/own-workflow.ts', import.meta.url)),
  });
  working = worker.run();
});
afterAll(async () => {
  worker?.shutdown();
  await working;
  await connection?.close();
  await world?.stop();
});

const start = (email: unknown) =>
  world.temporal.workflow.start('ticket', {
    workflowId: `ticket-${Math.random()}`,
    taskQueue: 'application',
    args: [email],
  });

test('an application’s own workflow runs an agent as one of its steps', async () => {
  world.provider.script([reply.json({ reply: 'hello' })]);
  expect(await (await start('a@b')).result()).toBe('ticket: hello');
  const [run] = await world.belayer.runs({ agent: 'clerk' });
  expect(run).toMatchObject({ state: 'done', customer: 'acme' });
});

test('input that does not fit, and a run that fails, reach the calling workflow as failures', async () => {
  await expect((await start(7)).result()).rejects.toMatchObject({
    cause: { cause: { type: 'InputRejected' } },
  });
  world.provider.script([fault.badKey()]);
  await expect((await start('a@b')).result()).rejects.toMatchObject({
    cause: { cause: { type: 'CredentialsRejected' } },
  });
});
