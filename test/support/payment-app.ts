/** The application of the recovery tests: a read, and one write of each kind, against `payments.ts`. */
import { z } from 'zod';
import {
  defineAgent,
  defineApp,
  defineTool,
  NotDone,
  type ToolContext,
} from '../../definitions/index.ts';

const url = process.env['PAYMENTS_URL'] ?? '';
const input = z.object({ id: z.string() });

async function pay(ctx: ToolContext, key?: string): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    body: JSON.stringify({
      reference: `${ctx.run}/${ctx.position}`,
      attempt: ctx.attempt,
      ...(key === undefined ? {} : { key }),
    }),
    signal: ctx.signal,
  });
  if (response.status === 409) throw new NotDone('declined', { retryable: true });
  return response.json();
}

const lookup = defineTool({
  name: 'lookup',
  description: 'Look an order up.',
  effect: 'read',
  input,
  run: ({ id }) => ({ id, state: 'open' }),
});
const charge = defineTool({
  name: 'charge',
  description: 'Charge an order.',
  effect: 'write',
  repeat: 'keyed',
  input,
  timeout: '4 seconds',
  retry: { attempts: 8, firstDelay: '200ms' },
  run: (_, ctx) => pay(ctx, ctx.idempotencyKey),
});
const mark = defineTool({
  name: 'mark',
  description: 'Mark an order as charged.',
  effect: 'write',
  repeat: 'safe',
  input,
  timeout: '4 seconds',
  retry: { attempts: 8, firstDelay: '200ms' },
  run: ({ id }, ctx) => pay(ctx, `mark ${ctx.run} ${id}`),
});
const wire = defineTool({
  name: 'wire',
  description: 'Wire money, which nobody can ask twice for.',
  effect: 'write',
  repeat: 'never',
  input,
  timeout: '3 seconds',
  run: (_, ctx) => pay(ctx),
});

export default defineApp({
  agents: [
    defineAgent({
      name: 'cashier',
      instructions: 'Charge orders.',
      tools: [lookup, charge, mark, wire],
      modelTimeout: '4 seconds',
    }),
  ],
});
