import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { BelayerError } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { defineTool, type ToolContext } from '../../definitions/index.ts';

const input = z.object({ id: z.string() });
const base = { name: 'order', description: 'Look an order up.', input, run: () => 'found' };

/** The message of a definition that was refused. */
function refusal(define: () => unknown): string {
  try {
    define();
  } catch (error) {
    if (error instanceof BelayerError && error.type === 'DefinitionRejected') return error.message;
    throw error;
  }
  throw new Error('The definition was accepted.');
}

test('a tool must say what it does to the world', () => {
  // @ts-expect-error effect is required
  expect(refusal(() => defineTool({ ...base }))).toBe(
    "Tool `order`: 1 mistake\n  - `effect` is missing; say 'none', 'read', 'egress', 'write'",
  );
});

test('a write must say whether it may be repeated', () => {
  // @ts-expect-error a write needs repeat
  expect(refusal(() => defineTool({ ...base, effect: 'write' }))).toContain(
    "`repeat` is missing; a write must say 'safe', 'keyed' or 'never'",
  );
});

test('what only writes have is refused on a read', () => {
  expect(
    refusal(() =>
      // @ts-expect-error a read must not have repeat
      defineTool({ ...base, effect: 'read', repeat: 'safe' }),
    ),
  ).toContain("`repeat` is only for writes; `effect` is 'read'");
  expect(
    refusal(() =>
      // @ts-expect-error a read must not have verify
      defineTool({ ...base, effect: 'egress', verify: async () => ({ done: false }) }),
    ),
  ).toContain('`verify` is only for writes');
  expect(
    refusal(() =>
      // @ts-expect-error keyValid is for keyed writes
      defineTool({ ...base, effect: 'write', repeat: 'never', keyValid: '1 hour' }),
    ),
  ).toContain("`keyValid` is only for `repeat: 'keyed'`; this one is 'never'");
});

test('run is typed by the schemas', () => {
  const tool = defineTool({
    name: 'refund',
    description: 'Refund an order.',
    effect: 'write',
    repeat: 'keyed',
    input: z.object({ amountUsd: z.number(), at: z.string().transform((text) => new Date(text)) }),
    output: z.object({ refundId: z.string(), note: z.string().default('none') }),
    approval: (given) => {
      expectTypeOf(given).toEqualTypeOf<{ amountUsd: number; at: Date }>();
      return given.amountUsd > 50;
    },
    verify: async (given, ctx) => {
      expectTypeOf(given.amountUsd).toEqualTypeOf<number>();
      expectTypeOf(ctx).toEqualTypeOf<ToolContext>();
      return { done: 'unknown' };
    },
    run: (given, ctx) => {
      expectTypeOf(given).toEqualTypeOf<{ amountUsd: number; at: Date }>();
      expectTypeOf(ctx).toEqualTypeOf<ToolContext>();
      return { refundId: 'r-1' };
    },
  });
  expect(tool.asksHuman({ amountUsd: 51, at: new Date(0) })).toBe(true);
  expect(tool.asksHuman({ amountUsd: 50, at: new Date(0) })).toBe(false);

  defineTool({
    ...base,
    effect: 'none',
    output: z.object({ refundId: z.string() }),
    // @ts-expect-error the output's schema wants refundId
    run: () => ({ other: 1 }),
  });
});

test('without an output schema run gives what JSON can carry', () => {
  interface Order {
    readonly id: string;
    readonly at: Date;
  }
  const orders = new Map<string, Order>();
  const tool = defineTool({ ...base, effect: 'read', run: ({ id }) => orders.get(id) });
  defineTool({ ...base, effect: 'read', run: async ({ id }) => [orders.get(id)] });
  defineTool({ ...base, effect: 'read', run: async () => {} });
  // What `fetch` brings is 'unknown' to Node's types; that it is JSON is checked when it runs.
  const brought: unknown = JSON.parse('1');
  defineTool({ ...base, effect: 'read', run: () => brought });
  expect(tool.data).not.toHaveProperty('outputSchema');
});

test('all mistakes of a tool are told at once, each with thing, value and limit', () => {
  const mistaken = {
    name: 'the refund',
    description: '',
    input: z.string(),
    effect: 'write',
    timeout: '2 days',
    approval: 'sometimes',
    resultTokens: 0.5,
    retry: { attempts: 99, firstDelay: 'soon', retries: 2 },
    placement: 'near',
    fallback: [],
    heartbeat: '1 minute',
    critical: false,
    descripton: 'x',
  };
  // @ts-expect-error everything is wrong on purpose
  const message = refusal(() => defineTool(mistaken));
  expect(message.split('\n')).toEqual([
    'Tool `the refund`: 16 mistakes',
    '  - `descripton` is not known; did you mean `description`?',
    '  - `name`: "the refund" must be 1 to 64 of a-z, A-Z, 0-9, _ and - (the rule of the model providers)',
    '  - `description` must be a text; "" is not',
    '  - `run` must be a function; undefined is not',
    '  - `approval` must be \'always\' or a function of the input; "sometimes" is not',
    "  - `repeat` is missing; a write must say 'safe', 'keyed' or 'never'",
    '  - `resultTokens`: 0.5 must be a whole number from 1 to 1000000 (`toolResultTokensMax`)',
    '  - `input` must be a z.object({ ... }); a zod string is not',
    '  - `timeout`: "2 days" is longer than `toolMsMax` (1 hour)',
    "  - `placement`: 'near' is only for effects 'none' and 'read'; this one is 'write'",
    '  - `retry.retries` is not known; known here: attempts, firstDelay, factor, maxDelay, jitter, within, not',
    `  - \`retry.firstDelay\`: "soon" is not a duration; write '20 seconds', '500ms', '2 hours' or a number of milliseconds`,
    '  - `retry.attempts`: 99 must be a whole number from 1 to 50 (`toolAttemptsMax`)',
    "  - `heartbeat` (1 minute) must be shorter than an attempt's `timeout` (20 seconds), or it ends nothing",
    '  - `critical` can only be true; false is not: leave it out',
    '  - `fallback` must be a list of at least one { tool, input? }; [] is not',
  ]);
});

test('a field that JSON cannot carry is named by its path', () => {
  const nested = z.object({
    lines: z.array(z.object({ at: z.date() })),
    big: z.bigint().optional(),
  });
  const message = refusal(() => defineTool({ ...base, effect: 'none', input: nested }));
  expect(message).toContain(
    '`input.lines[].at`: Date cannot be represented in JSON Schema; take a string',
  );
  expect(message).toContain('`input.big`: BigInt cannot be represented');
  const when = z.object({ when: z.string().transform((text) => new Date(text)) });
  expect(
    refusal(() => defineTool({ ...base, effect: 'none', output: when, run: () => ({ when: '' }) })),
  ).toContain('`output.when`: Transforms cannot be represented');
});

test('defaults are those of the limits', () => {
  const read = defineTool({ ...base, effect: 'read' });
  expect(read.data).toMatchObject({
    effect: 'read',
    placement: 'near',
    timeoutMs: limits.nearToolMsMax,
    movesToQueueMs: limits.toolMsDefault,
    retry: { attempts: 4, firstDelayMs: 500, factor: 2, maxDelayMs: 30_000 },
  });
  expect(read.approval).toBe('never');
  expect(read.data).not.toHaveProperty('approvalDeadlineMs');
  const write = defineTool({ ...base, effect: 'write', repeat: 'keyed', approval: 'always' });
  expect(write.data).toMatchObject({
    repeat: 'keyed',
    keyValidMs: 86_400_000,
    placement: 'queue',
    timeoutMs: limits.toolMsDefault,
    approvalDeadlineMs: limits.approvalDeadlineMsDefault,
  });
  const soon = defineTool({
    ...base,
    effect: 'none',
    approval: { when: 'always', deadline: '10 seconds' },
  });
  expect(soon.data.approvalDeadlineMs).toBe(10_000);
});

test.each([
  ['read', '2 seconds', { placement: 'near', timeoutMs: 2_000 }],
  ['read', '3 seconds', { placement: 'queue', timeoutMs: 3_000 }],
  ['none', 50, { placement: 'near', timeoutMs: 50 }],
  ['egress', '1 second', { placement: 'queue', timeoutMs: 1_000 }],
] as const)('a tool with effect %s and timeout %s is placed by both', (effect, timeout, placed) => {
  const { data } = defineTool({ ...base, effect, timeout });
  expect(data).toMatchObject(placed);
  expect(data).not.toHaveProperty('movesToQueueMs');
});

test('a near tool cannot take longer than a near call may', () => {
  expect(
    refusal(() => defineTool({ ...base, effect: 'read', placement: 'near', timeout: '1 minute' })),
  ).toContain(
    '`timeout` of a near tool is at most `nearToolMsMax` (2 seconds); this one is 1 minute',
  );
  // @ts-expect-error egress cannot be near
  expect(refusal(() => defineTool({ ...base, effect: 'egress', placement: 'near' }))).toContain(
    "'near' is only for effects 'none' and 'read'",
  );
});

test('nonsense instead of a definition is refused with words', () => {
  // @ts-expect-error nothing is no definition
  expect(refusal(() => defineTool())).toContain('must be an object; null is not');
  // @ts-expect-error a list is none either
  expect(refusal(() => defineTool([]))).toContain('A tool: ');
});
