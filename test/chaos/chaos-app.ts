/** The application of the chaos runs, loaded by each worker: every kind of tool, against the payment service. */
import { z } from 'zod';
import {
  defineAgent,
  defineApp,
  defineTool,
  NotDone,
  type ToolContext,
} from '../../definitions/index.ts';
import { type Asked, toolMs, type ToolName } from './chaos-tools.ts';
import { seededBy } from './seeded-by.ts';

const url = process.env['CHAOS_SERVICE'] ?? '';
const seed = Number(process.env['CHAOS_SEED']);
const estimateFailures = Number(process.env['CHAOS_ESTIMATE_FAILURES']);
const input = z.object({ order: z.string() });
type Input = z.output<typeof input>;

async function post(path: string, ctx: ToolContext, asked: Partial<Asked>): Promise<unknown> {
  const response = await fetch(`${url}/${path}`, {
    method: 'POST',
    body: JSON.stringify({
      ...asked,
      run: ctx.run,
      position: ctx.position,
      attempt: ctx.attempt,
      worker: process.pid,
    }),
    signal: ctx.signal,
  });
  if (response.status === 409) throw new NotDone('declined', { retryable: true });
  if (!response.ok) throw new Error(`The service answered ${response.status}.`);
  return response.json();
}
const act =
  (tool: ToolName) =>
  ({ order }: Input, ctx: ToolContext): Promise<unknown> =>
    post('act', ctx, { tool, order });
const actKeyed =
  (tool: ToolName) =>
  ({ order }: Input, ctx: ToolContext): Promise<unknown> =>
    post('act', ctx, { tool, order, key: ctx.idempotencyKey });

const common = (name: ToolName) =>
  ({
    name,
    description: `The tool ${name}.`,
    input,
    timeout: `${toolMs[name]}ms`,
    retry: { attempts: 6, firstDelay: '100ms', maxDelay: '1 second' },
  }) as const;

const estimate = defineTool({
  ...common('estimate'),
  effect: 'none',
  run: ({ order }, ctx) => {
    if (seededBy(seed, 'estimate', order, ctx.position, ctx.attempt).chance(estimateFailures))
      throw new Error('no estimate this time');
    return { order, estimate: 17 };
  },
});
const lookup = defineTool({ ...common('lookup'), effect: 'read', run: act('lookup') });
const browse = defineTool({
  ...common('browse'),
  effect: 'read',
  placement: 'queue',
  run: act('browse'),
});
const search = defineTool({ ...common('search'), effect: 'egress', run: act('search') });
const charge = defineTool({
  ...common('charge'),
  effect: 'write',
  repeat: 'keyed',
  run: actKeyed('charge'),
});
const refund = defineTool({
  ...common('refund'),
  effect: 'write',
  repeat: 'keyed',
  approval: 'always',
  run: actKeyed('refund'),
});
const mark = defineTool({ ...common('mark'), effect: 'write', repeat: 'safe', run: act('mark') });
const wire = defineTool({
  ...common('wire'),
  effect: 'write',
  repeat: 'never',
  run: act('wire'),
  verify: async ({ order }, ctx) => {
    const book = (await post('book', ctx, { tool: 'wire', order })) as {
      readonly moved: number;
      readonly pending: number;
    };
    if (book.moved > 0) return { done: true, output: { order, found: true } };
    return book.pending > 0 ? { done: 'unknown' } : { done: false };
  },
});
const letter = defineTool({
  ...common('letter'),
  effect: 'write',
  repeat: 'never',
  run: act('letter'),
});

const tools = [estimate, lookup, browse, search, charge, refund, mark, wire, letter];
const agent = { instructions: 'Settle orders.', tools, modelTimeout: '4 seconds' } as const;

export default defineApp({
  agents: [
    defineAgent({ ...agent, name: 'queued' }),
    defineAgent({ ...agent, name: 'near', placement: { models: 'near' } }),
  ],
});
