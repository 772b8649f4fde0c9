import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { RunStopped } from '../../client/index.ts';
import type { Run } from '../../client/index.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { createWorld, type World } from '../support/world.ts';
import { eventually } from '../support/eventually.ts';

let world: World;
const refunded: { readonly orderId: string; readonly amount: number }[] = [];
let reading = 0;
let readsAborted = 0;

const refund = (name: string, deadline: '400ms' | '1 minute') =>
  defineTool({
    name,
    description: 'Refund an order.',
    effect: 'write',
    repeat: 'keyed',
    input: z.object({ orderId: z.string(), amount: z.number() }),
    approval: { when: ({ amount }) => amount > 50, deadline },
    run: ({ orderId, amount }) => {
      refunded.push({ orderId, amount });
      return { refunded: amount };
    },
  });
const linger = defineTool({
  name: 'linger',
  description: 'Takes its time.',
  effect: 'read',
  timeout: '60 seconds',
  input: z.object({}),
  run: (_, { signal }) =>
    new Promise<string>((resolve, reject) => {
      reading += 1;
      const timer = setTimeout(() => resolve('late'), 50_000);
      signal.addEventListener('abort', () => {
        readsAborted += 1;
        clearTimeout(timer);
        reject(new Error('aborted'));
      });
    }),
});
const charge = defineTool({
  name: 'charge',
  description: 'Takes a moment to charge.',
  effect: 'write',
  repeat: 'never',
  input: z.object({ orderId: z.string() }),
  run: async ({ orderId }) => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    refunded.push({ orderId, amount: 1 });
    return 'charged';
  },
});
const agent = defineAgent({
  name: 'clerk',
  instructions: 'Refund.',
  tools: [refund('refund', '1 minute'), refund('hasty_refund', '400ms'), linger, charge],
});

beforeAll(async () => {
  world = await createWorld();
  await world.work(defineApp({ agents: [agent] }));
});
afterAll(async () => world?.stop());

async function waiting(run: Run): Promise<string> {
  const open = await eventually(async () => {
    const [request] = (await run.requests()).filter((candidate) => candidate.state === 'open');
    return request;
  });
  return open.position;
}

const lastTool = (): string =>
  (
    JSON.parse(world.provider.requests.at(-1)?.body ?? '{}') as {
      messages: { content: string }[];
    }
  ).messages.at(-1)?.content ?? '';

test('a call that needs approval waits for it; the calls beside it do not', async () => {
  refunded.length = 0;
  world.provider.script([
    {
      toolCalls: [
        { name: 'refund', arguments: { orderId: 'A', amount: 80 } },
        { name: 'refund', arguments: { orderId: 'B', amount: 5 } },
      ],
    },
    reply.text('done'),
  ]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  const position = await waiting(run);
  expect(position).toBe('1.1/approval');
  await eventually(() => refunded.length === 1);
  expect(await run.status()).toMatchObject({ state: 'waiting', openRequests: 1 });
  expect(refunded).toEqual([{ orderId: 'B', amount: 5 }]);
  const [request] = await world.belayer.inbox();
  expect(request).toMatchObject({ run: run.id, arguments: '{"amount":80,"orderId":"A"}' });
  expect(await run.approve(position, { by: 'ann' })).toEqual({
    request: position,
    verdict: 'approved',
  });
  expect(await run.output()).toBe('done');
  expect(refunded).toEqual([
    { orderId: 'B', amount: 5 },
    { orderId: 'A', amount: 80 },
  ]);
  expect((await run.requests())[0]).toMatchObject({ state: 'approved', closedBy: 'ann' });
});

test('a denial is told to the model with its reason, and nothing runs', async () => {
  refunded.length = 0;
  world.provider.script([reply.tools({ refund: { orderId: 'A', amount: 80 } }), reply.text('ok')]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  await run.deny(await waiting(run), { by: 'ann', reason: 'too much' });
  await run.output();
  expect(refunded).toEqual([]);
  expect(JSON.parse(lastTool())).toMatchObject({ error: { code: 'denied' } });
  expect(lastTool()).toContain('too much');
});

test('a decision about other arguments, twice, late or unknown is refused with the reason', async () => {
  world.provider.script([reply.tools({ refund: { orderId: 'A', amount: 80 } }), reply.text('ok')]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  const position = await waiting(run);
  await expect(run.approve(position, { argumentsHash: 'forged' })).rejects.toMatchObject({
    type: 'DecisionRejected',
    message: expect.stringContaining('other arguments'),
  });
  await expect(run.approve('9.9/approval')).rejects.toMatchObject({ type: 'RequestUnknown' });
  await run.approve(position);
  await expect(run.deny(position)).rejects.toMatchObject({ type: 'DecisionRejected' });
  await run.output();
  await expect(run.approve(position)).rejects.toMatchObject({ type: 'DecisionRejected' });
});

test('a request that nobody answers is denied at its deadline', async () => {
  refunded.length = 0;
  world.provider.script([
    reply.tools({ hasty_refund: { orderId: 'A', amount: 80 } }),
    reply.text('ok'),
  ]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  await run.output();
  expect(refunded).toEqual([]);
  expect((await run.requests())[0]).toMatchObject({ state: 'expired' });
  expect(JSON.parse(lastTool())).toMatchObject({ error: { code: 'denied' } });
});

test('decisions by plain signals under the documented names work as well', async () => {
  world.provider.script([reply.tools({ refund: { orderId: 'A', amount: 80 } }), reply.text('ok')]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  const position = await waiting(run);
  const [request] = await run.requests();
  const handle = world.temporal.workflow.getHandle(run.id);
  await handle.signal('approve', { request: position, argumentsHash: 'wrong', by: 'x' });
  await handle.signal('approve', null);
  await handle.signal('approve', {
    request: position,
    argumentsHash: request?.argumentsHash,
    by: 'whoever',
  });
  await run.output();
  expect((await run.requests())[0]).toMatchObject({ state: 'approved', closedBy: 'whoever' });
});

test('a halt ends a run that is streaming, and the provider sees the request aborted', async () => {
  world.provider.script([{ text: 'never ends', thinkMs: 60_000 }]);
  const asked = world.provider.requests.length;
  const run = await world.belayer.start('clerk', { input: 'go' });
  await eventually(() => world.provider.requests.length > asked);
  await run.halt('customer called', { by: 'ann' });
  const outcome = await run.outcome();
  expect(outcome).toEqual({ kind: 'stopped', because: 'halted', detail: 'customer called' });
  expect(world.provider.requests.at(-1)?.aborted).toBe(true);
  await expect(run.output()).rejects.toBeInstanceOf(RunStopped);
});

async function inFlight(): Promise<boolean> {
  const [row] = await world.database.query<{ n: number }>({
    text: `select count(*)::int as n from belayer.call where state = 'claimed'`,
  });
  return (row?.n ?? 0) > 0;
}

test('a halt aborts a read, and lets an effect that has begun be recorded', async () => {
  refunded.length = 0;
  world.provider.script([
    reply.tools({ linger: {}, charge: { orderId: 'C' } }),
    reply.text('never said'),
  ]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  const before = reading;
  await eventually(() => reading > before && inFlight());
  const aborted = readsAborted;
  await run.halt('stop');
  expect(await run.outcome()).toMatchObject({ kind: 'stopped', because: 'halted' });
  expect(readsAborted).toBe(aborted + 1);
  expect(refunded).toEqual([{ orderId: 'C', amount: 1 }]);
  expect(world.provider.requests.at(-1)?.body).not.toContain('tool_call_id');
});

test('a halt while a human is awaited ends the run, and its request is withdrawn', async () => {
  world.provider.script([reply.tools({ refund: { orderId: 'A', amount: 80 } })]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  await waiting(run);
  await run.halt('enough');
  expect(await run.outcome()).toMatchObject({ because: 'halted', detail: 'enough' });
  expect((await run.requests())[0]).toMatchObject({ state: 'withdrawn' });
  await expect(run.halt('again')).rejects.toMatchObject({ type: 'DecisionRejected' });
});

test('a raw halt signal and a cancellation by Temporal end a run in order', async () => {
  world.provider.script(() => ({ text: 'never ends', thinkMs: 60_000 }));
  const signalled = await world.belayer.start('clerk', { input: 'go' });
  const cancelled = await world.belayer.start('clerk', { input: 'go' });
  await eventually(inFlight);
  await world.temporal.workflow.getHandle(signalled.id).signal('halt', { reason: 'raw', by: 'z' });
  await world.temporal.workflow.getHandle(cancelled.id).cancel();
  expect(await signalled.outcome()).toMatchObject({ because: 'halted', detail: 'raw' });
  expect(await cancelled.outcome()).toMatchObject({ because: 'halted', detail: 'cancelled' });
});

test('watching gives every event once and in order, with pieces of the reply beside them', async () => {
  world.provider.script([
    { text: 'one two three four five six', chunkCount: 6, chunkDelayMs: 60, thinkMs: 300 },
  ]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  let text = '';
  const numbers: number[] = [];
  for await (const event of run.watch({ deltas: true })) {
    if (event.kind === 'delta') text += event.text;
    else numbers.push(event.number);
  }
  expect(text).toBe('one two three four five six');
  expect(numbers).toEqual([1, 2, 3]);
});
