import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let looked = 0;
let aborted = 0;
const lookup = defineTool({
  name: 'lookup',
  description: 'Look up, slowly.',
  effect: 'read',
  timeout: '30 seconds',
  input: z.object({}),
  run: (_, { signal }) =>
    new Promise<string>((resolve, reject) => {
      looked += 1;
      const abort = (): void => {
        clearTimeout(timer);
        aborted += 1;
        reject(new Error('aborted'));
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', abort);
        resolve('looked');
      }, 1_500);
      signal.addEventListener('abort', abort);
    }),
});
let paid = 0;
const pay = defineTool({
  name: 'pay',
  description: 'Pay.',
  effect: 'write',
  repeat: 'keyed',
  approval: 'always',
  input: z.object({}),
  run: () => {
    paid += 1;
    return 'paid';
  },
});
const talker = (name: string, whileWorking: 'queue' | 'steer' | 'interrupt') =>
  defineAgent({
    name,
    instructions: 'Talk.',
    tools: [lookup, pay],
    limits: { steps: 4 },
    session: { whileWorking, idle: '1 day' },
  });
const hasty = defineAgent({
  name: 'hasty',
  instructions: 'Talk.',
  session: { idle: '1 second' },
});
const oneShot = defineAgent({ name: 'one-shot', instructions: 'Answer.' });

beforeAll(async () => {
  // Small histories, so that a conversation crosses several of them.
  world = await createWorld({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 40 } });
  await world.work(
    defineApp({
      agents: [
        talker('queuer', 'queue'),
        talker('steered', 'steer'),
        talker('interrupted', 'interrupt'),
        hasty,
        oneShot,
      ],
    }),
  );
});
afterAll(async () => world?.stop());
beforeEach(() => {
  looked = 0;
  aborted = 0;
});

interface Message {
  readonly role: string;
  readonly content: string | null;
}
const lastPrompt = (): Message[] =>
  (JSON.parse(world.provider.requests.at(-1)?.body ?? '{}') as { messages: Message[] }).messages;
const said = (): string[] =>
  lastPrompt().flatMap(({ role, content }) => (role === 'system' ? [] : [`${role}: ${content}`]));

test('a session goes on with each message, and each turn has its own output', async () => {
  world.provider.script([reply.text('Hello.'), reply.text('Ann.'), reply.text('Bye.')]);
  const send = (message: string) =>
    world.belayer.send('queuer', { session: 'talk-1', customer: 'acme', message });
  const first = await send('I am Ann.');
  expect(first.number).toBe(1);
  expect(await first.output()).toBe('Hello.');
  const second = await send('Who am I?');
  expect(second.number).toBe(2);
  expect(second.run.id).toBe(first.run.id);
  expect(await second.output()).toBe('Ann.');
  expect(said()).toEqual(['user: I am Ann.', 'assistant: Hello.', 'user: Who am I?']);
  await eventually(async () => (await first.run.status()).state === 'waiting');
  // Another customer with the same key talks to another run.
  const other = await world.belayer.send('queuer', { session: 'talk-1', message: 'Hi.' });
  expect(other.run.id).not.toBe(first.run.id);
  expect(await other.output()).toBe('Bye.');
  expect(await first.output()).toBe('Hello.');
});

test('a message that is sent again is heard once, the one that began the session too', async () => {
  world.provider.script([reply.text('one'), reply.text('two'), reply.text('three')]);
  const send = (message: string, id: string) =>
    world.belayer.send('queuer', { session: 'again', message, id });
  const first = await send('a', 'm-1');
  await first.output();
  expect((await send('a', 'm-1')).number).toBe(1);
  const second = await send('b', 'm-2');
  expect(await second.output()).toBe('two');
  expect((await send('b', 'm-2')).number).toBe(2);
  expect(await (await send('b', 'm-2')).output()).toBe('two');
  expect(await (await send('c', 'm-3')).output()).toBe('three');
  expect(said()).toEqual(['user: a', 'assistant: one', 'user: b', 'assistant: two', 'user: c']);
});

test('an id that was used for other words is refused, and nothing is lost in silence', async () => {
  world.provider.script([reply.text('one'), reply.text('two')]);
  const send = (message: string, id: string) =>
    world.belayer.send('queuer', { session: 'ids', message, id });
  await (await send('a', 'x-1')).output();
  await (await send('b', 'x-2')).output();
  for (const id of ['x-1', 'x-2'])
    await expect(send('c', id)).rejects.toMatchObject({
      type: 'DecisionRejected',
      message: expect.stringContaining('other words'),
    });
});

test('a run that was started goes on with messages as well', async () => {
  world.provider.script([reply.text('one'), reply.text('two'), reply.text('three')]);
  const run = await world.belayer.start('queuer', { input: 'a' });
  expect(await run.turn(1).output()).toBe('one');
  const turn = await run.send('b');
  expect(turn.number).toBe(2);
  expect(await turn.output()).toBe('two');
  await expect(run.send('')).rejects.toMatchObject({ type: 'InputRejected' });
  await run.halt('over');
  await run.outcome();
  await expect(run.send('c')).rejects.toMatchObject({ type: 'DecisionRejected' });
  const plain = await world.belayer.start('one-shot', { input: 'x' });
  await expect(plain.send('y')).rejects.toMatchObject({ type: 'DecisionRejected' });
  expect(await plain.output()).toBe('three');
});

test('messages that arrive while the agent works wait for the next turn, in order', async () => {
  world.provider.script([reply.tools({ lookup: {} }), reply.text('first'), reply.text('second')]);
  const first = await world.belayer.send('queuer', { session: 'queue', message: 'a' });
  await eventually(() => looked === 1);
  const send = (message: string) => world.belayer.send('queuer', { session: 'queue', message });
  const second = await send('b');
  const third = await send('c'.repeat(5_000));
  expect([second.number, third.number]).toEqual([2, 2]);
  expect(await first.output()).toBe('first');
  expect(await second.output()).toBe('second');
  expect(await third.output()).toBe('second');
  expect(said().slice(-3)).toEqual(['assistant: first', 'user: b', `user: ${'c'.repeat(5_000)}`]);
});

test('a steering session hears a message with the next model call of the same turn', async () => {
  world.provider.script([reply.tools({ lookup: {} }), reply.text('both')]);
  const first = await world.belayer.send('steered', { session: 's', message: 'a' });
  await eventually(() => looked === 1);
  const second = await world.belayer.send('steered', { session: 's', message: 'b' });
  expect(second.number).toBe(1);
  expect(await second.output()).toBe('both');
  expect(said().slice(-2)).toEqual(['tool: looked', 'user: b']);
  expect(aborted).toBe(0);
  expect(await first.output()).toBe('both');
});

test('an interrupting session aborts a read, and the model hears of both', async () => {
  world.provider.script([reply.tools({ lookup: {} }), reply.text('turned')]);
  const first = await world.belayer.send('interrupted', { session: 'i', message: 'a' });
  await eventually(() => looked === 1);
  await world.belayer.send('interrupted', { session: 'i', message: 'stop that' });
  expect(await first.output()).toBe('turned');
  expect(aborted).toBe(1);
  expect(said().at(-1)).toBe('user: stop that');
  expect(said().at(-2)).toContain('"code":"interrupted"');
});

test('an interrupting session aborts a model call, which is asked again at another position', async () => {
  world.provider.script([
    { ...reply.text('too late'), thinkMs: 20_000 },
    reply.text('at once'),
    reply.text('later'),
  ]);
  const before = world.provider.requests.length;
  const first = await world.belayer.send('interrupted', { session: 'j', message: 'a' });
  await eventually(() => world.provider.requests.length > before);
  await world.belayer.send('interrupted', { session: 'j', message: 'wait' });
  expect(await first.output()).toBe('at once');
  expect(said()).toEqual(['user: a', 'user: wait']);
  const positions: string[] = [];
  for await (const event of first.run.watch()) {
    if (event.kind === 'model.replied') positions.push(event.position);
    if (event.kind === 'turn.ended') break;
  }
  expect(positions).toEqual(['1/interrupt-1']);
  const next = await world.belayer.send('interrupted', { session: 'j', message: 'on' });
  expect(await next.output()).toBe('later');
});

test('an interrupting message withdraws what waits for a human', async () => {
  paid = 0;
  world.provider.script([reply.tools({ pay: {} }), reply.text('left it')]);
  const first = await world.belayer.send('interrupted', { session: 'k', message: 'pay' });
  await eventually(async () => (await first.run.requests())[0]?.state === 'open');
  await world.belayer.send('interrupted', { session: 'k', message: 'no, leave it' });
  expect(await first.output()).toBe('left it');
  expect(paid).toBe(0);
  expect((await first.run.requests())[0]).toMatchObject({ state: 'withdrawn' });
  expect(said().at(-2)).toContain('"code":"interrupted"');
});

test('twenty turns cross several histories, and none is lost', async () => {
  const turns = Array.from({ length: 20 }, (_, index) => `turn ${index + 1}`);
  world.provider.script(turns.map((text) => reply.text(text)));
  let run = '';
  for (const [index, text] of turns.entries()) {
    const turn = await world.belayer.send('queuer', { session: 'long', message: `m${index}` });
    run = turn.run.id;
    expect(turn.number).toBe(index + 1);
    expect(await turn.output()).toBe(text);
  }
  expect(said()).toHaveLength(39);
  const described = await world.temporal.workflow.getHandle(run).describe();
  expect(described.historyLength).toBeLessThan(200);
  const executions = await world.temporal.workflowService.listWorkflowExecutions({
    namespace: described.raw.workflowExecutionInfo?.execution
      ? world.servers.addresses.temporal.namespace
      : '',
    query: `WorkflowId = '${run}'`,
  });
  expect(executions.executions?.length ?? 0).toBeGreaterThan(1);
});

test('two first messages at once begin one session', async () => {
  world.provider.script([reply.text('x'), reply.text('y'), reply.text('z')]);
  const sent = await Promise.all(
    ['a', 'b', 'c'].map((message) => world.belayer.send('queuer', { session: 'race', message })),
  );
  expect(new Set(sent.map((turn) => turn.run.id)).size).toBe(1);
  await Promise.all(sent.map((turn) => turn.output()));
  const words = said().filter((line) => line.startsWith('user'));
  expect(words.toSorted()).toEqual(['user: a', 'user: b', 'user: c']);
});

test('a session nobody writes to ends with its last output, and the next message begins anew', async () => {
  world.provider.script([reply.text('one'), reply.text('two')]);
  const first = await world.belayer.send('hasty', { session: 'h', message: 'a' });
  expect(await first.run.output()).toBe('one');
  const second = await world.belayer.send('hasty', { session: 'h', message: 'b' });
  expect(second.run.id).not.toBe(first.run.id);
  expect(await second.output()).toBe('two');
  expect(said()).toEqual(['user: b']);
});

test('a halted session refuses messages until it is opened anew', async () => {
  world.provider.script([reply.text('one'), reply.text('two')]);
  const options = { session: 'halted', message: 'a' };
  const first = await world.belayer.send('queuer', options);
  await first.output();
  await first.run.halt('enough');
  expect(await first.run.outcome()).toMatchObject({ because: 'halted' });
  await expect(world.belayer.send('queuer', options)).rejects.toMatchObject({
    type: 'SessionEnded',
  });
  const anew = await world.belayer.send('queuer', { ...options, reopen: true });
  expect(await anew.output()).toBe('two');
});

test('the limits of a run hold for each turn', async () => {
  world.provider.script([
    reply.tools({ lookup: {} }),
    reply.tools({ lookup: {} }),
    reply.text('one'),
    reply.tools({ lookup: {} }),
    reply.text('two'),
  ]);
  const first = await world.belayer.send('queuer', { session: 'limits', message: 'a' });
  expect(await first.output()).toBe('one');
  const second = await world.belayer.send('queuer', { session: 'limits', message: 'b' });
  expect(await second.output()).toBe('two');
});

test('what cannot be sent is refused before anything starts', async () => {
  const send = (agent: string, options: object) =>
    world.belayer.send(agent, { session: 's', message: 'm', ...options } as never);
  await expect(send('one-shot', {})).rejects.toMatchObject({
    type: 'InputRejected',
    message: expect.stringContaining('no session'),
  });
  await expect(send('queuer', { message: '' })).rejects.toMatchObject({ type: 'InputRejected' });
  await expect(send('queuer', { session: '' })).rejects.toMatchObject({ type: 'InputRejected' });
  await expect(send('queuer', { key: 'x' })).rejects.toMatchObject({ type: 'InputRejected' });
  await expect(send('nobody', {})).rejects.toMatchObject({ type: 'AgentUnknown' });
});
