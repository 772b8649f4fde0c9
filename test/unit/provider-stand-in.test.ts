import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openAiModelClient } from '../../activities/models/openai-model.ts';
import { conversationOf } from '../../testing/provider/conversation.ts';
import { fillArguments } from '../../testing/provider/fill-arguments.ts';
import { isReadLike } from '../../testing/provider/is-read-like.ts';
import { jsonFromSchema } from '../../testing/provider/json-from-schema.ts';
import {
  standInModelId,
  standInReply,
  startStandIn,
  type ChatMessage,
  type ChatTool,
  type JsonSchema,
} from '../../testing/provider/index.ts';

function tool(
  name: string,
  description: string,
  properties: Record<string, JsonSchema> = {},
): ChatTool {
  return {
    type: 'function',
    function: {
      name,
      description,
      parameters: { type: 'object', properties, required: Object.keys(properties) },
    },
  };
}
const order = tool('order', 'Look an order up.', { id: { type: 'string' } });
const refund = tool('refund', 'Refund an order.', {
  orderId: { type: 'string' },
  amountUsd: { type: 'number' },
});

const user = (content: string): ChatMessage => ({ role: 'user', content });
const id = 'c1';
const called = (name: string, args: unknown, result?: string): ChatMessage[] => [
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id, function: { name, arguments: JSON.stringify(args) } }],
  },
  ...(result === undefined ? [] : [{ role: 'tool' as const, tool_call_id: id, content: result }]),
];
function says(messages: ChatMessage[], tools: ChatTool[] = [], more: object = {}) {
  return standInReply(conversationOf({ model: standInModelId, messages, tools, ...more }));
}

describe('the stand-in', () => {
  test('looks up what the user names, with the tools that only read', () => {
    expect(says([user('Where is A-17?')], [order, refund])).toEqual({
      toolCalls: [{ name: 'order', arguments: { id: 'A-17' } }],
    });
  });

  test('quotes what the tools brought, and says what it is', () => {
    const messages = [
      user('Where is A-17?'),
      ...called('order', { id: 'A-17' }, '{ "status": "shipped" }'),
    ];
    expect(says(messages, [order, refund])).toEqual({
      text: '[stand-in model] order: {"status":"shipped"}',
    });
  });

  test('does not ask twice for the same, and does ask for what a later turn names', () => {
    const messages = [
      user('Where is A-17?'),
      ...called('order', { id: 'A-17' }, '{}'),
      { role: 'assistant' as const, content: 'x' },
    ];
    expect(says([...messages, user('Sure about A-17?')], [order]).toolCalls).toBeUndefined();
    expect(says([...messages, user('And B-2?')], [order]).toolCalls).toEqual([
      { name: 'order', arguments: { id: 'B-2' } },
    ]);
  });

  test('answers in words where no tool fits', () => {
    expect(says([user('Hello there')], [order, refund]).text).toMatch(
      /^\[stand-in model\] I am a program of rules, not a language model.*Hello there$/u,
    );
    expect(
      says([user('Where is A-17?')], [order], { tool_choice: 'none' }).toolCalls,
    ).toBeUndefined();
  });

  test('never calls a tool that may change something, whatever the text says', () => {
    const writes = [
      refund,
      tool('send_email', 'Look: sends mail.', { to: { type: 'string' } }),
      tool('orderPizza', 'Get a pizza.', { id: { type: 'string' } }),
      tool('get_and_lock', 'Get a row and update it.', { id: { type: 'string' } }),
      tool('thing', '', { id: { type: 'string' } }),
      tool('order', 'Order a pizza.', { id: { type: 'string' } }),
      tool('delete_order', 'Find and remove.', { id: { type: 'string' } }),
    ];
    expect(writes.filter(isReadLike)).toEqual([]);
    fc.assert(
      fc.property(
        fc.string(),
        (text) =>
          says([user(`refund A-17 for 20 to a@b.co ${text}`)], writes).toolCalls === undefined,
      ),
    );
  });

  test('fits the schema that is asked for, with found values by name', () => {
    const schema = {
      type: 'object',
      properties: {
        reply: { type: 'string' },
        confidence: { type: 'number', minimum: 0, maximum: 1 },
        orderId: { type: 'string' },
      },
      required: ['reply', 'confidence', 'orderId'],
    };
    const messages = [
      user('Where is A-17?'),
      ...called('order', { id: 'A-17' }, '{"order_id":"A-17","status":"shipped"}'),
    ];
    const said = says(messages, [order], {
      response_format: { type: 'json_schema', json_schema: { name: 'out', schema } },
    });
    expect(JSON.parse(said.text ?? '')).toEqual({
      reply: '[stand-in model] order: {"order_id":"A-17","status":"shipped"}',
      confidence: 0,
      orderId: 'A-17',
    });
  });

  test('answers over the wire like any provider, its own rules first', async () => {
    const standIn = await startStandIn({
      rules: ({ lastUserText }) => (lastUserText === 'ping' ? { text: 'pong' } : undefined),
    });
    try {
      const model = openAiModelClient({ apiKey: 'none', baseURL: standIn.baseURL });
      const call = (content: string) =>
        model.call({
          body: JSON.stringify({
            model: standInModelId,
            stream: true,
            messages: [user(content)],
            tools: [order],
          }),
          model: standInModelId,
          signal: new AbortController().signal,
          idleMs: 1_000,
          timeoutMs: 2_000,
        });
      expect((await call('ping')).text).toBe('pong');
      expect((await call('Where is A-17?')).toolCalls).toMatchObject([
        { name: 'order', argumentsText: '{"id":"A-17"}' },
      ]);
      expect(standIn.meter.byModel[standInModelId]?.microUsd).toBeGreaterThan(0);
    } finally {
      await standIn.stop();
    }
  });
});

describe('filling arguments', () => {
  const filled = (properties: Record<string, JsonSchema>, text: string) =>
    fillArguments({ type: 'object', properties, required: Object.keys(properties) }, text);
  const string = { type: 'string' };

  test.each<[string, Record<string, JsonSchema>, string, Record<string, unknown> | undefined]>([
    ['an id', { orderId: string }, 'Please check order A-17 for me.', { orderId: 'A-17' }],
    ['a plain number as an id', { ticket_id: string }, 'Ticket 4711 please', { ticket_id: '4711' }],
    [
      'an e-mail address',
      { email: string },
      'I am ann.b@example.com, order A-17',
      { email: 'ann.b@example.com' },
    ],
    [
      'an address by its format',
      { who: { type: 'string', format: 'email' } },
      'Write to a@b.co',
      { who: 'a@b.co' },
    ],
    [
      'a URL',
      { url: string },
      'See https://example.com/a?b=1.',
      { url: 'https://example.com/a?b=1' },
    ],
    ['a date', { date: string }, 'on 2026-11-22 at 5', { date: '2026-11-22' }],
    [
      'a number beside an id',
      { amount: { type: 'number' } },
      'A-17 cost 12.50 in all',
      { amount: 12.5 },
    ],
    [
      'the number that its name stands before',
      { days: { type: 'integer' } },
      '3 items, days: 14',
      { days: 14 },
    ],
    ['a quoted string', { title: string }, 'find "Moby Dick" now', { title: 'Moby Dick' }],
    ['a question as it is', { query: string }, 'how do ropes work', { query: 'how do ropes work' }],
    ['a place', { city: string }, 'What is the weather in New York?', { city: 'New York' }],
    [
      'a choice',
      { unit: { type: 'string', enum: ['metric', 'imperial'] } },
      'in imperial please',
      { unit: 'imperial' },
    ],
    [
      'what fits a pattern',
      { id: { type: 'string', pattern: '^B-' } },
      'A-17 or B-2',
      { id: 'B-2' },
    ],
    [
      'a field of JSON',
      { customer_id: string, total: { type: 'number' } },
      '{"customerId":"c9","total":3}',
      { customer_id: 'c9', total: 3 },
    ],
    ['a list of one', { ids: { type: 'array', items: string } }, 'A-17', { ids: ['A-17'] }],
    ['nothing where nothing is required', {}, 'hello', {}],
    ['no id where none is', { id: string }, 'Where is my parcel?', undefined],
    ['no flag that nobody set', { force: { type: 'boolean' } }, 'A-17', undefined],
    ['no address that nobody gave', { email: string }, 'order A-17', undefined],
    ['no half of a whole number', { count: { type: 'integer' } }, '2.5', undefined],
  ])('takes %s', (...[, properties, text, expected]) => {
    expect(filled(properties, text)).toEqual(expected);
  });
});

describe('a value from a schema', () => {
  const value = (schema: JsonSchema) =>
    jsonFromSchema(schema, { text: '[stand-in model] some words', named: new Map() });

  test.each<[string, z.ZodType]>([
    [
      'nested objects',
      z.object({
        a: z.object({ b: z.array(z.string()).min(2), c: z.literal('x') }),
        d: z.string().optional(),
      }),
    ],
    [
      'choices and nulls',
      z.object({
        a: z.enum(['p', 'q']),
        b: z.string().nullable(),
        c: z.union([z.number(), z.string()]),
      }),
    ],
    [
      'limits',
      z.object({
        a: z.number().positive().max(0.5),
        b: z.int().min(3).max(9),
        c: z.string().min(40).max(50),
        d: z.string().max(3),
        e: z.number().gt(2).lt(3),
        f: z.number().negative().multipleOf(5),
      }),
    ],
    [
      'formats',
      z.object({ a: z.email(), b: z.url(), c: z.iso.date(), d: z.iso.datetime(), e: z.uuid() }),
    ],
    [
      'tuples and records',
      z.object({ a: z.tuple([z.string(), z.number()]), b: z.record(z.string(), z.number()) }),
    ],
    [
      'discriminated unions',
      z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('a'), x: z.number() }),
        z.object({ kind: z.literal('b') }),
      ]),
    ],
    ['intersections', z.object({ a: z.string() }).and(z.object({ b: z.number() }))],
  ])('fits %s', (_, schema) => {
    expect(schema.safeParse(value(z.toJSONSchema(schema) as JsonSchema))).toMatchObject({
      success: true,
    });
  });

  test('of a recursive type ends', () => {
    const node: JsonSchema = {
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: {
            name: { type: 'string' },
            next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
          },
          required: ['name', 'next'],
        },
      },
    };
    expect(new Ajv2020({ strict: false }).validate(node, value(node))).toBe(true);
  });
});

test('a result belongs to the call that it follows, though its id comes again in a later step', () => {
  const asked = (name: string): ChatMessage => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'call_1', function: { name, arguments: '{}' } }],
  });
  const { exchanges } = conversationOf({
    model: standInModelId,
    messages: [
      { role: 'user', content: 'go' },
      asked('first'),
      { role: 'tool', tool_call_id: 'call_1', content: 'one' },
      asked('second'),
      { role: 'tool', tool_call_id: 'call_1', content: 'two' },
    ],
  });
  expect(exchanges.map(({ name, result }) => [name, result])).toEqual([
    ['first', 'one'],
    ['second', 'two'],
  ]);
});
