/** Fallbacks, attempts, and which humans are asked: what a definition may say, and what is frozen of it. */
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { limits } from '../../contracts/limits.ts';
import { askHuman, defineAgent, defineTool } from '../../definitions/index.ts';
import { freezeAgent } from '../../definitions/internal.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { promptHead } from '../../rules/render-message.ts';
import { toRunInput } from '../../rules/to-run-input.ts';
import { sha256 } from '../../storage/hash.ts';

const surroundings = { buildId: 'build-1', modelDefault: 'small-model' };
const transcript = { chain: 0, length: 1, head: 'h', bytes: 10 };
const input = z.object({ id: z.string() });
const base = { name: 'pay', description: 'Pays.', effect: 'none', input, run: () => 'ok' } as const;
const write = { ...base, effect: 'write', repeat: 'never' } as const;
const mail = defineTool({ ...base, name: 'mail', input: z.object({ to: z.string() }) });
const fax = defineTool({ ...base, name: 'fax', input: z.object({ digits: z.number() }) });
const agentOf = (...tools: ReturnType<typeof defineTool>[]) =>
  defineAgent({ name: 'a', instructions: 'x', tools });
const frozenTool = (tool: unknown, ask?: { deadline?: '1 hour'; deciders?: string[] }) =>
  freezeAgent(
    defineAgent({
      name: 'a',
      instructions: 'x',
      tools: [tool as ReturnType<typeof defineTool>],
      ...(ask === undefined ? {} : { ask }),
    }),
    surroundings,
  ).tools[0];

test('a definition that says nothing new has the bytes, the prompt and the run input that it had', () => {
  const refund = defineTool({
    name: 'refund',
    description: 'Refund an order.',
    effect: 'write',
    repeat: 'keyed',
    keyValid: '12 hours',
    approval: { when: ({ amountUsd }) => amountUsd > 50, deadline: '1 hour' },
    verify: async () => ({ done: 'unknown' }),
    timeout: '20 seconds',
    retry: { attempts: 2, firstDelay: '1 minute' },
    resultTokens: 500,
    input: z.strictObject({ orderId: z.string(), amountUsd: z.number() }),
    run: () => 'ok',
  });
  const order = defineTool({
    name: 'order',
    description: 'Look an order up.',
    effect: 'read',
    input,
    run: ({ id }) => id,
  });
  const research = defineAgent({ name: 'research', instructions: 'Research.' });
  const agent = defineAgent({
    name: 'support',
    instructions: 'Answer.',
    output: z.object({ reply: z.string() }),
    tools: [refund, order, research.asTool()],
    limits: { costUsd: 0.25 },
  });
  const frozen = freezeAgent(agent, surroundings);
  const runInput = toRunInput({ frozen, definition: 'd', transcript });
  // Taken from the package before these fields were there.
  expect(sha256(canonicalJson(frozen))).toBe('4_cKmuE9efnBTxP6sxmPWeK6yKurj6uVjnP1kpdl1H0');
  expect(sha256(JSON.stringify(frozen))).toBe('HcviS_ESaa8suIwRtMkCTV7ZRXlReFiRTyqOromTxUI');
  const { clock, ...asBefore } = runInput;
  // Runs that are started now say how they tell the time, all else is as it was.
  expect(clock).toBe('events');
  expect(sha256(JSON.stringify(asBefore))).toBe('ddQGB22Ta0i4kqnwe5G5l1fnNUCx_cyv-GnZ0W4iyOQ');
  expect(sha256(promptHead(frozen, 'small-model', {}))).toBe(
    '5czgwwHpbgjS1rSNVsjKGIhZCRhfGFdcPWND3HgxK2k',
  );
});

test('how attempts are bounded is frozen beside the policy that reaches history', () => {
  const tool = defineTool({
    ...write,
    timeout: '1 minute',
    heartbeat: '5 seconds',
    retry: { attempts: 3, within: '2 minutes', jitter: 0.5, not: ['declined'] },
  });
  const frozen = frozenTool(tool);
  expect(frozen?.attempt).toEqual({
    jitter: 0.5,
    totalMs: 120_000,
    notRetried: ['declined'],
    heartbeatMs: 5_000,
  });
  expect(Object.keys(frozen?.policy.retry ?? {})).toEqual([
    'attempts',
    'firstDelayMs',
    'factor',
    'maxDelayMs',
  ]);
  expect(frozenTool(defineTool({ ...base, retry: { within: '1 minute' } }))?.attempt).toEqual({
    jitter: limits.toolRetryJitterFactor,
    totalMs: 60_000,
  });
  expect(frozenTool(defineTool({ ...base, retry: { attempts: 2 } }))).not.toHaveProperty('attempt');
});

test('the arguments of a fallback are typed by the tool that takes them', () => {
  defineTool({
    ...base,
    fallback: [
      {
        tool: mail,
        input: (failed) => {
          expectTypeOf(failed).toEqualTypeOf<{ id: string }>();
          return { to: failed.id };
        },
      },
      { tool: fax, input: ({ id }) => ({ digits: id.length }) },
    ],
  });
  defineTool({
    ...base,
    // @ts-expect-error mail wants a text
    fallback: [{ tool: mail, input: (failed) => ({ to: failed.id.length }) }],
  });
});

test('a fallback that the agent does not offer is frozen, has its policy in the run, and is in no prompt', () => {
  const pay = defineTool({
    ...base,
    fallback: [{ tool: mail, input: ({ id }) => ({ to: id }) }, { tool: fax }],
  });
  const frozen = freezeAgent(agentOf(pay, fax), surroundings);
  expect(frozen.tools.map(({ name, offered }) => [name, offered])).toEqual([
    ['pay', undefined],
    ['fax', undefined],
    ['mail', false],
  ]);
  expect(frozen.tools[0]?.policy.fallbacks).toEqual(['mail', 'fax']);
  expect(frozen.functions).toEqual([
    'tool.fax.run',
    'tool.mail.run',
    'tool.pay.fallback.mail',
    'tool.pay.run',
  ]);
  expect(Object.keys(toRunInput({ frozen, definition: 'd', transcript }).tools)).toEqual([
    'pay',
    'fax',
    'mail',
  ]);
  const head = promptHead(frozen, 'small-model', {});
  expect(head).toContain('"name":"fax"');
  expect(head).not.toContain('"name":"mail"');
});

test('two different tools cannot have one name, though one is only a fallback', () => {
  const other = defineTool({ ...base, name: 'mail' });
  const pay = defineTool({ ...base, fallback: [{ tool: mail }] });
  expect(() => agentOf(pay, other)).toThrow(
    'two different tools are named `mail`; one of them is a fallback',
  );
  expect(() => agentOf(pay, mail)).not.toThrow();
});

test('every mistake of a list of fallbacks is told', () => {
  const child = defineAgent({ name: 'research', instructions: 'x' });
  const deep = defineTool({ ...base, name: 'deep', fallback: [{ tool: mail }] });
  const define = (fallback: unknown) => () => defineTool({ ...base, fallback: fallback as never });
  expect(define([{ tool: mail }, { tool: mail }, { tool: child.asTool() }, { tool: askHuman() }]))
    .toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Tool \`pay\`: 4 mistakes
      - \`fallback\` has 4; \`toolFallbacksMax\` is 3
      - \`fallback[1]\`: \`mail\` is named twice, or is the tool itself
      - \`fallback[2]\`: \`research\` stands for a sub-agent, which cannot be a fallback
      - \`fallback[3]\`: \`ask_human\` asks a human; \`critical: true\` does that]
  `);
  expect(define([{ tool: deep, inputs: 1 }, { tool: child, input: 1 }, 7]))
    .toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Tool \`pay\`: 6 mistakes
      - \`fallback[0].inputs\` is not known; did you mean \`input\`?
      - \`fallback[0]\`: \`deep\` has fallbacks of its own; list them here, in the order in which they are tried
      - \`fallback[1].input\` must be a function of the input; 1 is not
      - \`fallback[1].tool\` was not made by defineTool: {"name":"research","instructions":"x","tools":[],"data":{"fallbackModels":[],...
      - \`fallback[2]\` must be an object; 7 is not
      - \`fallback[2].tool\` was not made by defineTool: undefined]
  `);
  expect(define({})).toThrow('`fallback` must be a list of at least one { tool, input? }');
  expect(define([mail])).toThrow('`fallback[0]` is the tool `mail`; write { tool: mail }');
  const wire = defineTool({ ...write, name: 'wire' });
  const reader = (fallback: unknown) => () =>
    defineTool({ ...base, effect: 'read', fallback: fallback as never });
  expect(reader([{ tool: wire }])).toThrow('`wire` is a write, and cannot stand for a tool');
  const self = defineTool({ ...base, name: 'pay' });
  expect(define([{ tool: self }])).toThrow('`pay` is named twice, or is the tool itself');
});

test('every mistake about attempts and humans is told', () => {
  const mistaken = {
    ...base,
    timeout: '1 second',
    heartbeat: '1 second',
    retry: { jitter: 2, within: '2 days', not: ['Bad Code', 'timeout', 'x', 'x', ''] },
    approval: { when: 'always', deadline: 'soon', deciders: [], who: 'me' },
    ask: { recordedOnly: false, deciders: ['ann', 'ann', 7], escalateTo: { deadline: 0, to: 'x' } },
    critical: 'yes',
  };
  expect(() => defineTool(mistaken as never)).toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Tool \`pay\`: 17 mistakes
      - \`ask.deciders\`: "ann" is named twice
      - \`ask.deciders\`: 7 is no name
      - \`ask.recordedOnly\` can only be true; false is not: leave it out
      - \`ask.escalateTo.to\` is not known; known here: deciders, deadline
      - \`ask.escalateTo.deadline\`: 0 is shorter than 1 ms
      - \`approval.who\` is not known; known here: when, deadline, deciders, escalateTo, recordedOnly
      - \`approval.deadline\`: "soon" is not a duration; write '20 seconds', '500ms', '2 hours' or a number of milliseconds
      - \`approval.deciders\` must be a list of at least one name; [] is not
      - \`approval\` and \`ask\` both say how humans are asked; keep \`when\` in \`approval\`, and the rest in \`ask\`
      - \`retry.jitter\`: 2 must be a number from 0 to 1
      - \`retry.within\`: "2 days" is longer than \`toolWithinMsMax\` (1 day)
      - \`retry.not\`: "x" is named twice
      - \`retry.not\`: "" is no name
      - \`retry.not\`: "Bad Code" must be 1 to 64 of a-z, 0-9 and _, for example 'order_not_found'
      - \`retry.not\`: 'timeout' is a code of Belayer; only the tool's own can be named
      - \`heartbeat\` (1 second) must be shorter than an attempt's \`timeout\` (1 second), or it ends nothing
      - \`critical\` can only be true; "yes" is not: leave it out]
  `);
});

test('how humans are asked about a tool is its own, field by field, and else the agent’s', () => {
  const asked = defineTool({
    ...write,
    approval: {
      when: 'always',
      deadline: '10 minutes',
      deciders: ['ann'],
      escalateTo: { deciders: ['bob'] },
      recordedOnly: true,
    },
  });
  expect(frozenTool(asked)?.policy).toMatchObject({
    approvalDeadlineMs: 600_000,
    ask: {
      deadlineMs: 600_000,
      deciders: ['ann'],
      escalation: { deadlineMs: 600_000, deciders: ['bob'] },
      recordedOnly: true,
    },
  });
  const agent = { deadline: '1 hour', deciders: ['chief'] } as const;
  const withAgent = (tool: unknown) => frozenTool(tool, { ...agent, deciders: ['chief'] })?.policy;
  // The approval's deadline is its own, the deciders are the agent's.
  const short = defineTool({ ...write, approval: { when: 'always', deadline: '1 minute' } });
  expect(withAgent(short)).toMatchObject({
    approvalDeadlineMs: 60_000,
    ask: { deadlineMs: 60_000, deciders: ['chief'] },
  });
  expect(frozenTool(short)?.policy).not.toHaveProperty('ask');
  // What a tool leaves open the workflow reads from the agent's own policy.
  const plain = withAgent(defineTool({ ...write, approval: 'always' }));
  expect(plain).toMatchObject({ approvalDeadlineMs: 3_600_000 });
  expect(plain).not.toHaveProperty('ask');
  const general = defineTool({ ...write, approval: 'always', ask: { deciders: ['ann'] } });
  expect(frozenTool(general)?.policy).toMatchObject({
    approvalDeadlineMs: limits.approvalDeadlineMsDefault,
    ask: { deadlineMs: limits.approvalDeadlineMsDefault, deciders: ['ann'] },
  });
  expect(withAgent(general)).toMatchObject({
    approvalDeadlineMs: 3_600_000,
    ask: { deadlineMs: 3_600_000, deciders: ['ann'] },
  });
  expect(frozenTool(defineTool({ ...write, ask: {}, critical: true }))?.policy).toMatchObject({
    critical: true,
    ask: { deadlineMs: limits.approvalDeadlineMsDefault },
  });
});

test('a question to a human is a tool without functions', () => {
  const frozen = freezeAgent(
    agentOf(askHuman({ deadline: '5 minutes', deciders: ['ann'] })),
    surroundings,
  );
  expect(frozen.functions).toEqual([]);
  expect(frozen.tools[0]).toMatchObject({
    name: 'ask_human',
    policy: {
      effect: 'none',
      question: true,
      ask: { deadlineMs: 300_000, deciders: ['ann'] },
    },
  });
  expect(frozenTool(askHuman())?.policy).not.toHaveProperty('ask');
  expect(askHuman({ name: 'ask_boss' }).name).toBe('ask_boss');
  const schema = askHuman().input;
  expect(schema.safeParse({ question: 'Why?', options: ['a'] }).success).toBe(true);
  expect(schema.safeParse({ question: '' }).success).toBe(false);
  expect(schema.safeParse({ question: 'x'.repeat(2_001) }).success).toBe(false);
  expect(() => askHuman().run({ question: 'Why?' }, {} as never)).toThrow('has no `run`');
  // @ts-expect-error a question cannot be critical
  expect(() => askHuman({ critical: true })).toThrow('`critical` is not known');
});

test('an agent says what goes to humans and how a session goes on, and its runs carry it', () => {
  const agent = defineAgent({
    name: 'chat',
    instructions: 'x',
    ask: { deadline: '1 hour', escalateTo: { deadline: '2 hours' } },
    escalate: ['budget', 'refusal'],
    session: true,
  });
  const frozen = freezeAgent(agent, surroundings);
  const carried = {
    ask: { deadlineMs: 3_600_000, escalation: { deadlineMs: 7_200_000 } },
    escalate: ['budget', 'refusal'],
    session: { idleMs: limits.sessionIdleMsDefault, whileWorking: 'queue' },
  };
  expect(frozen).toMatchObject(carried);
  expect(toRunInput({ frozen, definition: 'd', transcript })).toMatchObject(carried);
  const quick = defineAgent({
    name: 'chat',
    instructions: 'x',
    session: { idle: '10 minutes', whileWorking: 'steer' },
  });
  expect(freezeAgent(quick, surroundings).session).toEqual({
    idleMs: 600_000,
    whileWorking: 'steer',
  });
  expect(() => agent.asTool()).toThrow('it has a `session`, and nobody would write it');
});

test('every mistake about humans and sessions of an agent is told', () => {
  expect(() =>
    defineAgent({
      name: 'chat',
      instructions: 'x',
      input,
      ask: { deadline: '2 years' as never, decider: 'ann' } as never,
      escalate: ['budget', 'money', 'budget'] as never,
      session: { idle: 'long', whileWorking: 'wait', turns: 3 } as never,
    }),
  ).toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Agent \`chat\`: 8 mistakes
      - \`ask.decider\` is not known; did you mean \`deciders\`?
      - \`ask.deadline\`: "2 years" is not a duration; write '20 seconds', '500ms', '2 hours' or a number of milliseconds
      - \`escalate\`: "money" is none of 'budget', 'model', 'output', 'refusal'
      - \`escalate\`: "budget" is named twice
      - \`session.turns\` is not known; known here: idle, whileWorking
      - \`session.idle\`: "long" is not a duration; write '20 seconds', '500ms', '2 hours' or a number of milliseconds
      - \`session.whileWorking\`: "wait" is none of 'queue', 'steer', 'interrupt'
      - \`session\`: its messages are text, so that an agent with a session has no \`input\` schema]
  `);
  expect(() =>
    defineAgent({ name: 'chat', instructions: 'x', escalate: [], session: false as never }),
  ).toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Agent \`chat\`: 2 mistakes
      - \`escalate\` must be a list of at least one of 'budget', 'model', 'output', 'refusal'; [] is not
      - \`session\` must be true or { idle?, whileWorking? }; false is not]
  `);
});
