import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Run } from '../../client/index.ts';
import { message } from '../../contracts/messages.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
const paid: { readonly id: string; readonly amount: number }[] = [];
let wired = 0;
let looked = 0;

const lookup = defineTool({
  name: 'lookup',
  description: 'Look up, slowly.',
  effect: 'read',
  timeout: '30 seconds',
  input: z.object({}),
  run: async () => {
    looked += 1;
    await new Promise((resolve) => setTimeout(resolve, 700));
    return 'looked';
  },
});
const pay = defineTool({
  name: 'pay',
  description: 'Pay.',
  effect: 'write',
  repeat: 'keyed',
  approval: 'always',
  input: z.object({ id: z.string(), amount: z.number().max(1_000), note: z.string().optional() }),
  run: (input) => {
    paid.push({ id: input.id, amount: input.amount });
    return { paid: input.amount };
  },
});
/** Acts, and never says so. */
const wire = defineTool({
  name: 'wire',
  description: 'Wire money.',
  effect: 'write',
  repeat: 'never',
  timeout: '300ms',
  input: z.object({ id: z.string() }),
  output: z.object({ reference: z.string() }),
  run: async () => {
    wired += 1;
    await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
    return { reference: 'never' };
  },
});
const clerk = defineAgent({
  name: 'clerk',
  instructions: 'Work.',
  tools: [lookup, pay, wire],
});
const small = defineAgent({
  name: 'small',
  instructions: 'Work.',
  tools: [lookup],
  limits: { steps: 2 },
  escalate: ['budget'],
});

beforeAll(async () => {
  world = await createWorld();
  await world.work(defineApp({ agents: [clerk, small] }));
});
afterAll(async () => world?.stop());

const open = (run: Run) =>
  eventually(async () => (await run.requests()).find((request) => request.state === 'open'));

const prompt = (at = -1): string => world.provider.requests.at(at)?.body ?? '';

test('a paused run starts nothing new, stays answerable, and goes on where it was', async () => {
  paid.length = 0;
  world.provider.script([
    reply.tools({ lookup: {} }),
    reply.tools({ pay: { id: 'A', amount: 10 } }),
    reply.text('done'),
  ]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  await eventually(() => looked > 0);
  await run.pause('a closer look', { by: 'ann' });
  await expect(run.pause('again')).rejects.toMatchObject({
    type: 'DecisionRejected',
    message: expect.stringContaining('a closer look'),
  });
  const journal = async () => (await world.belayer.runs({ open: true }))[0]?.state;
  await eventually(async () => (await journal()) === 'paused');
  const requestsBefore = world.provider.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  // The read that was in flight ended; the model was not told of it.
  expect(world.provider.requests).toHaveLength(requestsBefore);
  expect(await journal()).toBe('paused');
  await run.resume({ by: 'ann', reason: 'fine' });
  const request = await open(run);
  await run.pause('once more');
  await run.approve(request.position);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(paid).toEqual([]);
  await run.resume();
  expect(await run.output()).toBe('done');
  expect(paid).toEqual([{ id: 'A', amount: 10 }]);
  await expect(run.resume()).rejects.toMatchObject({ type: 'DecisionRejected' });
  const kinds: string[] = [];
  for await (const event of run.watch()) kinds.push(event.kind);
  expect(kinds.filter((kind) => kind === 'run.paused')).toHaveLength(2);
  expect(kinds.filter((kind) => kind === 'run.resumed')).toHaveLength(2);
});

test('a paused run can be halted', async () => {
  world.provider.script([{ ...reply.text('late'), thinkMs: 400 }]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  await run.pause('wait');
  await run.halt('enough');
  expect(await run.outcome()).toMatchObject({ kind: 'stopped', because: 'halted' });
});

test('steering reaches the model behind the results of the step, marked as what it is', async () => {
  looked = 0;
  world.provider.script([reply.tools({ lookup: {} }), reply.text('done')]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  await eventually(() => looked > 0);
  await run.steer('Be brief.', { by: 'ann' });
  await run.output();
  const { messages } = JSON.parse(prompt()) as { messages: { role: string; content: string }[] };
  expect(messages.slice(-2)).toEqual([
    expect.objectContaining({ role: 'tool', content: 'looked' }),
    { role: 'user', content: '[From the operator of this run] Be brief.' },
  ]);
  await expect(run.steer('x'.repeat(3_000))).rejects.toMatchObject({ type: 'DecisionRejected' });
});

test('a word that comes while the model gives its output is heard before the run ends', async () => {
  world.provider.script([{ ...reply.text('first'), thinkMs: 600 }, reply.text('second')]);
  const asked = world.provider.requests.length;
  const run = await world.belayer.start('clerk', { input: 'go' });
  await eventually(() => world.provider.requests.length > asked);
  await run.steer('Not so fast.');
  expect(await run.output()).toBe('second');
  expect(prompt()).toContain('Not so fast.');
});

test('an approval with other arguments runs those, tells the model, and is held to the schema', async () => {
  paid.length = 0;
  world.provider.script([reply.tools({ pay: { id: 'A', amount: 900 } }), reply.text('done')]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  const request = await open(run);
  await expect(
    run.approve(request.position, { edit: { id: 'A', amount: 5_000 } }),
  ).rejects.toMatchObject({
    type: 'DecisionRejected',
    message: expect.stringContaining('amount'),
  });
  // What was refused left the request as it was.
  const receipt = await run.approve(request.position, {
    by: 'ann',
    edit: { id: 'A', amount: 90, note: 'x'.repeat(3_000) },
  });
  expect(receipt).toMatchObject({ verdict: 'approved' });
  expect(receipt.argumentsHash).not.toBe(request.argumentsHash);
  await run.output();
  expect(paid).toEqual([{ id: 'A', amount: 90 }]);
  expect(prompt()).toContain('a human changed the arguments to');
  const [closed] = await run.requests();
  expect(closed).toMatchObject({
    state: 'approved',
    argumentsHash: request.argumentsHash,
    editedHash: receipt.argumentsHash,
    closedBy: 'ann',
  });
  const [call] = await world.database.query<{ request_hash: string }>({
    text: `select c.request_hash from belayer.call c join belayer.run r on r.no = c.run_no
      where r.id = '${run.id}' and c.position = '1.1'`,
  });
  expect(call?.request_hash).toBe(receipt.argumentsHash);
});

test('what nobody knows is settled by a human with its result, held to the output schema', async () => {
  wired = 0;
  world.provider.script([reply.tools({ wire: { id: 'W' } }), reply.text('done')]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  const request = await open(run);
  expect(request).toMatchObject({ kind: 'unknown', call: '1.1', position: '1.1/unknown' });
  expect(request.evidence).toMatchObject([
    { number: 1, outcome: 'unknown', code: 'timeout', startedAt: expect.stringMatching(/Z$/) },
  ]);
  await expect(run.answer(request.position, { ref: 1 })).rejects.toMatchObject({
    type: 'DecisionRejected',
    message: expect.stringContaining('reference'),
  });
  await expect(run.approve(request.position, { edit: { id: 'X' } })).rejects.toMatchObject({
    type: 'DecisionRejected',
  });
  expect(
    await run.answer(request.position, { reference: 'bank-7' }, { by: 'ann', reason: 'I called' }),
  ).toMatchObject({ verdict: 'answered' });
  expect(await run.output()).toBe('done');
  expect(wired).toBe(1);
  expect(prompt()).toContain('bank-7');
  expect(prompt()).toContain('a human says that it happened');
});

test('a run whose limit is reached asks, and an extension lets it go on', async () => {
  world.provider.script([
    reply.tools({ lookup: {} }),
    reply.tools({ lookup: {} }),
    reply.tools({ lookup: {} }),
    reply.text('done'),
  ]);
  const run = await world.belayer.start('small', { input: 'go' });
  const request = await open(run);
  expect(request).toMatchObject({ kind: 'escalation', about: 'budget', position: '3/escalation' });
  await expect(run.approve(request.position)).rejects.toMatchObject({
    message: expect.stringContaining('extend'),
  });
  await expect(run.extendBudget({})).rejects.toMatchObject({ type: 'InputRejected' });
  await expect(run.extendBudget({ steps: 100_000 })).rejects.toMatchObject({
    type: 'InputRejected',
  });
  expect(await run.extendBudget({ steps: 2, costUsd: 0.5 }, { by: 'ann' })).toMatchObject({
    steps: 4,
    costMicroUsd: 1_500_000,
  });
  expect(await run.output()).toBe('done');
  expect((await run.requests())[0]).toMatchObject({ state: 'extended', closedBy: 'ann' });
  expect(await run.status()).toMatchObject({ ceilingMicroUsd: 1_500_000 });
});

test('a limit that a human does not raise ends the run as it would have', async () => {
  world.provider.script([reply.tools({ lookup: {} }), reply.tools({ lookup: {} })]);
  const run = await world.belayer.start('small', { input: 'go' });
  await run.deny((await open(run)).position);
  expect(await run.outcome()).toMatchObject({ kind: 'stopped', because: 'step-limit' });
});

test('raw signals of the same names work, and senseless ones change nothing', async () => {
  paid.length = 0;
  world.provider.script([reply.tools({ pay: { id: 'S', amount: 1 } }), reply.text('done')]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  const request = await open(run);
  const handle = world.temporal.workflow.getHandle(run.id);
  for (const name of Object.values(message))
    if (name !== 'halt')
      for (const nonsense of [undefined, null, 7, {}, { by: 3, text: [], request: {} }])
        await handle.signal(name, nonsense);
  expect(await handle.query('state')).toMatchObject({ phase: 'waiting-for-human' });
  await handle.signal('pause', { by: 'raw', reason: 'hm' });
  await handle.signal('approve', {
    request: request.position,
    argumentsHash: request.argumentsHash,
    by: 'raw',
  });
  await handle.signal('steer', { by: 'raw', text: 'Hello.' });
  await handle.signal('resume', { by: 'raw' });
  expect(await run.output()).toBe('done');
  expect(paid).toHaveLength(1);
  expect(prompt()).toContain('Hello.');
});
