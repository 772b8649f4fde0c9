import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { RunFailed, RunStopped } from '../../client/index.ts';
import { defineAgent, defineApp, defineTool, ToolError } from '../../definitions/index.ts';
import { sha256 } from '../../storage/hash.ts';
import { readCalls, readJournal, readPrompt } from '../../storage/reading-runs.ts';
import { promptTail } from '../../rules/render-message.ts';
import { fault, reply } from '../../testing/provider/index.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let flaky = 0;

const order = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  run: ({ id }) => ({ id, state: 'shipped' }),
});
const unsteady = defineTool({
  name: 'unsteady',
  description: 'Fails twice.',
  effect: 'read',
  input: z.object({}),
  retry: { attempts: 4, firstDelay: '10ms' },
  run: () => {
    flaky += 1;
    if (flaky < 3) throw new Error(`failure ${flaky}`);
    return { flaky };
  },
});
const refusing = defineTool({
  name: 'refusing',
  description: 'Says why it fails.',
  effect: 'read',
  input: z.object({}),
  run: () => {
    throw new ToolError('not_found', { message: 'No such thing.', hint: 'Ask for another.' });
  },
});
const slow = defineTool({
  name: 'slow',
  description: 'Longer than a near call may take.',
  effect: 'read',
  input: z.object({}),
  run: (_, { signal }) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve('slow but sure'), 2_500);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(new Error('aborted'));
      });
    }),
});
const support = defineAgent({
  name: 'support',
  instructions: 'Answer about orders.',
  tools: [order, unsteady, refusing, slow],
  fallbackModels: ['other-model'],
});
const structured = defineAgent({
  name: 'structured',
  instructions: ({ email }) => `Answer ${email}.`,
  input: z.object({ email: z.string() }),
  output: z.object({ reply: z.string(), confidence: z.number() }),
});
const parent = defineAgent({
  name: 'parent',
  instructions: 'Delegate.',
  tools: [structured.asTool({ name: 'ask', description: 'Ask the other.' })],
});
const shouting = defineAgent({
  name: 'shouting',
  instructions: 'Delegate loudly.',
  tools: [
    structured.asTool({ name: 'shout', input: z.object({ email: z.string().toUpperCase() }) }),
  ],
});

beforeAll(async () => {
  world = await createWorld();
  await world.work(defineApp({ agents: [support, structured, parent, shouting] }));
});
afterAll(async () => world?.stop());

const lastMessages = (): readonly { role: string; content: string }[] =>
  (JSON.parse(world.provider.requests.at(-1)?.body ?? '{}') as { messages: [] }).messages;

test('a run calls its tools and ends with its output', async () => {
  world.provider.script([reply.tools({ order: { id: 'A-17' } }), reply.text('It is shipped.')]);
  const run = await world.belayer.start('support', { input: 'Where is A-17?' });
  expect(await run.output()).toBe('It is shipped.');
  const events = [];
  for await (const event of run.watch()) events.push(event.kind);
  expect(events).toEqual([
    'run.started',
    'model.replied',
    'tool.finished',
    'model.replied',
    'run.ended',
  ]);
});

test('every prompt can be read back byte for byte as the provider received it', async () => {
  world.provider.script([
    reply.tools({ order: { id: 'ümläut ✓' }, refusing: {} }),
    reply.tools({ order: { id: 'B' } }),
    reply.text('Done.'),
  ]);
  const from = world.provider.requests.length;
  const run = await world.belayer.start('support', { input: 'Two, please. “Quoted” \u2028' });
  await run.output();
  const received = world.provider.requests.slice(from);
  expect(received).toHaveLength(3);
  for (const [index, request] of received.entries()) {
    const prompt = await readPrompt(world.database, run.id, `${index + 1}`);
    const body = `${prompt?.head}${prompt?.messages.join(',')}${promptTail}`;
    expect(body).toBe(request.body);
    expect(prompt?.hash).toBe(sha256(request.body));
    expect(prompt?.bytes).toBe(Buffer.byteLength(request.body));
  }
  expect(received[0]?.json).toMatchObject({ model: 'test-model', temperature: 0, stream: true });
});

test('a tool that fails for a while is tried again; one that says why is told to the model', async () => {
  flaky = 0;
  world.provider.script([reply.tools({ unsteady: {}, refusing: {} }), reply.text('ok')]);
  const run = await world.belayer.start('support', { input: 'go' });
  await run.output();
  const [, , , steady, refused] = lastMessages();
  expect(JSON.parse(steady?.content ?? '')).toEqual({ flaky: 3 });
  expect(JSON.parse(refused?.content ?? '')).toEqual({
    error: {
      code: 'not_found',
      message: 'No such thing.',
      retryable: false,
      attempts: 1,
      hint: 'Ask for another.',
    },
  });
  const journal = await readJournal(world.database, run.id);
  expect(journal.filter((row) => row.name === 'unsteady').map((row) => row.outcome)).toEqual([
    'failed',
    'failed',
    'ok',
  ]);
});

test('a near call that takes too long moves to the queue and gives its result there', async () => {
  world.provider.script([reply.tools({ slow: {} }), reply.text('ok')]);
  const run = await world.belayer.start('support', { input: 'go' });
  await run.output();
  expect(lastMessages().at(-1)?.content).toBe('slow but sure');
  const journal = await readJournal(world.database, run.id);
  expect(journal.filter((row) => row.name === 'slow').map((row) => row.outcome)).toEqual([
    'slow',
    'ok',
  ]);
});

test('calls that can never run are answered with what was wrong', async () => {
  world.provider.script([
    {
      toolCalls: [
        { name: 'order', arguments: '{"id": ' },
        { name: 'order', arguments: { id: 7 } },
        { name: 'constructor', arguments: {} },
      ],
    },
    reply.text('ok'),
  ]);
  const run = await world.belayer.start('support', { input: 'go' });
  await run.output();
  const codes = lastMessages()
    .slice(-3)
    .map((message) => (JSON.parse(message.content) as { error: { code: string } }).error.code);
  expect(codes).toEqual(['bad_arguments', 'bad_arguments', 'unknown_tool']);
  const replied = [];
  for await (const event of run.watch()) if (event.kind === 'model.replied') replied.push(event);
  expect(replied[0]?.calls.map(({ refused }) => refused)).toEqual(codes);
  const [asked] = await readCalls(world.database, run.id);
  expect(asked?.refused.map(({ position, code }) => [position, code])).toEqual([
    ['1.1', 'bad_arguments'],
    ['1.2', 'bad_arguments'],
    ['1.3', 'unknown_tool'],
  ]);
});

test('provider faults are retried, journalled, and charged as far as they may have cost', async () => {
  world.provider.script([
    fault.rateLimited({ retryAfterMs: 20 }),
    fault.serverError(),
    fault.cutStream(),
    fault.malformedStream(),
    reply.text('at last'),
  ]);
  const run = await world.belayer.start('support', { input: 'go' });
  expect(await run.output()).toBe('at last');
  const journal = await readJournal(world.database, run.id);
  expect(journal.map((row) => row.outcome)).toEqual(['failed', 'failed', 'failed', 'failed', 'ok']);
  const [limited, server, cut] = journal;
  expect(limited).toMatchObject({ code: 'ModelRateLimited', costMicroUsd: 0, retryable: true });
  expect(server?.costMicroUsd).toBe(server?.reservedMicroUsd);
  expect(cut?.costMicroUsd).toBeGreaterThan(0);
  const total = journal.reduce((sum, row) => sum + row.costMicroUsd, 0);
  expect((await run.status()).costMicroUsd).toBe(total);
  expect((await run.status()).reservedMicroUsd).toBe(0);
});

test('a rejected request fails the run at once and says what to mend', async () => {
  world.provider.script([fault.badKey()]);
  const run = await world.belayer.start('support', { input: 'go' });
  await expect(run.output()).rejects.toBeInstanceOf(RunFailed);
  expect(await run.outcome()).toMatchObject({
    kind: 'failed',
    failure: { type: 'CredentialsRejected' },
  });
});

test('a model that cannot be reached any more is followed by the next of the chain', async () => {
  let calls = 0;
  world.provider.script((request) => {
    calls += 1;
    return request.model === 'test-model'
      ? fault.rateLimited({ retryAfterMs: 1 })
      : reply.text('other');
  });
  const run = await world.belayer.start('support', { input: 'go' });
  expect(await run.output()).toBe('other');
  expect(calls).toBe(7);
  expect((await readJournal(world.database, run.id)).at(-1)?.position).toBe('1/fallback-1');
});

test('an output that does not fit is repaired; structured input and output are typed', async () => {
  world.provider.script([
    reply.text('not json'),
    reply.json({ reply: 'hello' }),
    reply.json({ reply: 'hello', confidence: 0.5 }),
  ]);
  const run = await world.belayer.start('structured', { input: { email: 'a@b' } });
  expect(await run.output()).toEqual({ reply: 'hello', confidence: 0.5 });
  const journal = await readJournal(world.database, run.id);
  expect(journal.map((row) => row.position)).toEqual(['1', '1/repair-1', '1/repair-2']);
  expect(lastMessages()[0]).toEqual({ role: 'system', content: 'Answer a@b.' });
});

test('an output that is never right fails the run after its repairs', async () => {
  world.provider.script(() => reply.text('never json'));
  const run = await world.belayer.start('structured', { input: { email: 'a@b' } });
  expect(await run.outcome()).toMatchObject({ kind: 'failed', failure: { type: 'OutputInvalid' } });
});

test('a sub-agent is a run of its own, and its cost is its parent’s', async () => {
  world.provider.script((request) =>
    JSON.stringify(request.messages).includes('Answer c@d')
      ? reply.json({ reply: 'from the child', confidence: 1 })
      : request.messages.length > 2
        ? reply.text('parent done')
        : reply.tools({ ask: { email: 'c@d' } }),
  );
  const run = await world.belayer.start('parent', { input: 'go', customer: 'acme' });
  expect(await run.output()).toBe('parent done');
  const child = await world.belayer.run(`${run.id}/1.1`);
  expect(await child.output()).toEqual({ reply: 'from the child', confidence: 1 });
  const [own, childs] = [await run.status(), await child.status()];
  expect(childs).toMatchObject({ parent: run.id, customer: 'acme', state: 'done' });
  expect(own.costMicroUsd).toBeGreaterThan(childs.costMicroUsd);
  expect(own.reservedMicroUsd).toBe(0);
  expect(JSON.parse(lastMessages().at(-1)?.content ?? '')).toEqual({
    reply: 'from the child',
    confidence: 1,
  });
});

test('two tools may stand for one sub-agent, each with its own arguments', async () => {
  world.provider.script((request) =>
    JSON.stringify(request.messages).includes('Answer C@D')
      ? reply.json({ reply: 'heard', confidence: 1 })
      : request.messages.length > 2
        ? reply.text('parent done')
        : reply.tools({ shout: { email: 'c@d' } }),
  );
  const run = await world.belayer.start('shouting', { input: 'go' });
  expect(await run.output()).toBe('parent done');
  expect(lastMessages().at(-1)?.content).toContain('heard');
});

test('a run stops before a call that would pass its ceiling', async () => {
  world.provider.script(() => reply.tools({ order: { id: 'again' } }));
  const run = await world.belayer.start('support', { input: 'go', limits: { costUsd: 0.02 } });
  await expect(run.output()).rejects.toBeInstanceOf(RunStopped);
  const status = await run.status();
  expect(status.outcome).toMatchObject({ kind: 'stopped', because: 'cost-limit' });
  expect(status.costMicroUsd).toBeLessThanOrEqual(20_000);
});

test('a run stops at its step limit', async () => {
  world.provider.script(() => reply.tools({ order: { id: 'again' } }));
  const run = await world.belayer.start('support', { input: 'go', limits: { steps: 3 } });
  expect(await run.outcome()).toMatchObject({ kind: 'stopped', because: 'step-limit' });
  expect((await run.status()).steps).toBe(3);
});

test('the same key and input give the same run; the same key with another input is refused', async () => {
  world.provider.script(() => reply.text('once'));
  const first = await world.belayer.start('support', { input: 'one', key: 'k' });
  await first.output();
  const second = await world.belayer.start('support', { input: 'one', key: 'k' });
  expect(second.id).toBe(first.id);
  await expect(world.belayer.start('support', { input: 'two', key: 'k' })).rejects.toMatchObject({
    type: 'KeyReused',
  });
});

test('watching on from the last event of a run that has ended ends at once', async () => {
  world.provider.script([reply.text('done')]);
  const run = await world.belayer.start('support', { input: 'go' });
  await run.output();
  for await (const event of run.watch({ after: 9_999 })) throw new Error(`${event.kind} came`);
  await expect(async () => {
    for await (const event of run.watch({ after: Number.NaN })) throw new Error(event.kind);
  }).rejects.toMatchObject({ type: 'InputRejected' });
});

test('lists refuse options that they do not have and limits that are none', async () => {
  await expect(world.belayer.runs({ limit: -1 })).rejects.toMatchObject({ type: 'InputRejected' });
  await expect(world.belayer.inbox({ limit: 0 })).rejects.toMatchObject({ type: 'InputRejected' });
  await expect(world.belayer.runs({ customr: 'x' } as never)).rejects.toThrow(/customr/);
  await expect(world.belayer.start('support', null as never)).rejects.toThrow(/needs options/);
});

test('what is asked of a closed connection is refused as that, not waited for', async () => {
  const { openDatabase } = await import('../../storage/database.ts');
  const database = openDatabase({ url: world.servers.addresses.databaseUrl });
  await database.close();
  await expect(database.query({ text: 'select 1' })).rejects.toMatchObject({
    type: 'ConnectionClosed',
  });
});

test('wrong input starts nothing and names every mistake', async () => {
  await expect(
    world.belayer.start('structured', { input: { email: 7 } as never }),
  ).rejects.toMatchObject({ type: 'InputRejected', message: expect.stringContaining('email') });
  await expect(world.belayer.start('nobody', { input: 'x' })).rejects.toMatchObject({
    type: 'AgentUnknown',
    message: expect.stringContaining('support'),
  });
  await expect(
    world.belayer.start('support', { input: 'x', key: '', limits: { steps: -1 } }),
  ).rejects.toMatchObject({ message: expect.stringMatching(/key[\s\S]*steps/) });
});
