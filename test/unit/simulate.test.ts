import { expect, test } from 'vitest';
import { z } from 'zod';
import { askHuman, defineAgent, defineTool, NotDone, ToolError } from '../../definitions/index.ts';
import { fault, reply, simulate } from '../../testing/index.ts';

let failures = 0;
const order = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  run: ({ id }) => ({ id, state: 'shipped' }),
});
const refund = defineTool({
  name: 'refund',
  description: 'Refund.',
  effect: 'write',
  repeat: 'keyed',
  approval: ({ amount }) => amount > 50,
  retry: { attempts: 3 },
  input: z.object({ amount: z.number(), note: z.string().optional() }),
  run: ({ amount }) => {
    if (amount === 13) {
      failures += 1;
      if (failures < 3) throw new NotDone('busy', { retryable: true });
    }
    return { refunded: amount };
  },
});
const agent = defineAgent({ name: 'support', instructions: 'Help.', tools: [order, refund] });

test('an agent is simulated without any server: its tools run, its output comes out', async () => {
  const simulated = await simulate(
    agent,
    [fault.rateLimited(), reply.tools({ order: { id: 'A' } }), reply.text('Shipped.')],
    { input: 'Where is A?' },
  );
  expect(simulated.outcome).toEqual({ kind: 'done', output: 'Shipped.' });
  expect(simulated.calls).toEqual([
    {
      position: '1.1',
      tool: 'order',
      arguments: { id: 'A' },
      attempts: 1,
      result: '{"id":"A","state":"shipped"}',
    },
  ]);
  expect(simulated.prompts[0]?.messages.map((message) => message.role)).toEqual(['system', 'user']);
});

test('a human decides in a simulation as the test says, and silence denies', async () => {
  const script = [reply.tools({ refund: { amount: 80 } }), reply.text('ok')];
  const approved = await simulate(agent, script, { input: 'go', decide: () => 'approve' });
  const silent = await simulate(agent, script, { input: 'go' });
  expect(approved.calls[0]?.result).toBe('{"refunded":80}');
  expect(silent.requests).toMatchObject([{ tool: 'refund', verdict: 'expired' }]);
  expect(silent.calls[0]).toMatchObject({ attempts: 0 });
  expect(silent.calls[0]?.result).toContain('"denied"');
});

test('a tool that did nothing is tried again; a stand-in replaces a tool', async () => {
  const tried = await simulate(agent, [reply.tools({ refund: { amount: 13 } }), reply.text('ok')], {
    input: 'go',
  });
  expect(tried.calls[0]).toMatchObject({ attempts: 3, result: '{"refunded":13}' });
  const replaced = await simulate(agent, [reply.tools({ order: { id: 'B' } }), reply.text('ok')], {
    input: 'go',
    tools: { order: () => 'gone' },
  });
  expect(replaced.calls[0]?.result).toBe('gone');
});

test('long arguments reach the tool whole', async () => {
  const note = 'n'.repeat(10_000);
  const simulated = await simulate(
    agent,
    [reply.tools({ refund: { amount: 1, note } }), reply.text('ok')],
    { input: 'go' },
  );
  expect(simulated.calls[0]?.arguments).toEqual({ amount: 1, note });
});

test('a script that ends too early says what the agent wanted', async () => {
  await expect(
    simulate(agent, [reply.tools({ order: { id: 'A' } })], { input: 'go' }),
  ).rejects.toThrow(/1 replies, and the agent asked for one more/);
});

test('a provider that rejects the request fails the run; one that stays away fails it after its attempts', async () => {
  expect((await simulate(agent, [fault.badKey()], { input: 'go' })).outcome).toMatchObject({
    kind: 'failed',
  });
  expect((await simulate(agent, () => fault.reset(), { input: 'go' })).outcome).toMatchObject({
    kind: 'failed',
    failure: { type: 'ModelOverloaded' },
  });
});

test('fallbacks, questions, edits and critical failures are simulated as they would run', async () => {
  const away = () => {
    throw new ToolError('away', { retryable: true });
  };
  const mirror = defineTool({
    name: 'mirror',
    description: 'Another source.',
    effect: 'read',
    input: z.object({ key: z.string() }),
    run: ({ key }) => `from the mirror: ${key}`,
  });
  const source = defineTool({
    name: 'source',
    description: 'Ill.',
    effect: 'read',
    retry: { attempts: 2 },
    input: z.object({ id: z.string() }),
    fallback: [{ tool: mirror, input: ({ id }) => ({ key: id }) }],
    run: away,
  });
  const vital = defineTool({
    name: 'vital',
    description: 'Ill, and needed.',
    effect: 'read',
    critical: true,
    retry: { attempts: 2 },
    input: z.object({}),
    run: away,
  });
  const simulated = await simulate(
    defineAgent({ name: 'a', instructions: 'x', tools: [source, vital, refund, askHuman()] }),
    [
      reply.tools({
        source: { id: 'A' },
        vital: {},
        refund: { amount: 80 },
        ask_human: { question: 'Why?' },
      }),
      reply.text('done'),
    ],
    {
      input: 'go',
      decide: ({ kind }) =>
        kind === 'approval'
          ? { edit: { amount: 8 } }
          : { answer: kind === 'question' ? 'Because.' : { by: 'hand' } },
    },
  );
  expect(simulated.outcome).toEqual({ kind: 'done', output: 'done' });
  expect(simulated.requests.map(({ kind, verdict }) => [kind, verdict])).toEqual([
    ['approval', 'approved'],
    ['question', 'answered'],
    ['escalation', 'answered'],
  ]);
  const told = JSON.stringify(simulated.prompts.at(-1));
  for (const part of ['from the mirror: A', 'Because.', 'hand', 'refunded', 'a human changed'])
    expect(told).toContain(part);
});
