/**
 * The two ways to pay money back. They differ in one line: what may follow an attempt of which nobody
 * knows whether the money moved.
 *
 * 1. By card: the processor knows keys, so the call is simply made again with the same one (`keyed`).
 * 2. By transfer: the bank knows none, and a second call would pay twice. A human is asked (`never`).
 */
import { defineTool, NotDone, type ToolContext } from 'belayer';
import { z } from 'zod';
import { sender, type SupportSettings } from './backend.ts';
import { type Payment, receipt } from './payments.ts';
import type { Order } from './shop.ts';

const input = z.object({
  orderId: z.string().max(40).describe('As in the mail, for example A-1001.'),
  amountUsd: z.number().positive().max(100_000),
});
/** What a human says in a tool's place is held against this too. */
const output = z.object({ refund: z.string(), orderId: z.string(), amount: z.string() });

export function refundTools(settings: SupportSettings) {
  const { approvalAboveUsd } = settings;
  const when = ({ amountUsd }: z.infer<typeof input>) => amountUsd > approvalAboveUsd;
  const once = `once per order. Above ${approvalAboveUsd} USD a colleague must approve it.`;

  const refund = defineTool({
    name: 'refund',
    description: `Pay money back for an order that was paid by card, ${once}`,
    effect: 'write',
    repeat: 'keyed',
    keyValid: '365 days',
    timeout: '10 seconds',
    input,
    output,
    // Silence is a no.
    approval: { when, deadline: '10 minutes' },
    async run(asked, ctx) {
      const payment = await allowed(settings, asked, ctx, 'card');
      const { payments } = await settings.backend;
      const id = await payments.refundCard(payment, ctx.idempotencyKey, ctx.signal);
      return receipt({ ...payment, id });
    },
  });

  const wireRefund = defineTool({
    name: 'wire_refund',
    description: `Pay money back for an order that was paid by bank transfer, ${once}`,
    effect: 'write',
    repeat: 'never',
    timeout: '10 seconds',
    input,
    output,
    // Its deadline is also that of the question what became of a transfer: time to come back to it.
    approval: { when, deadline: '1 day' },
    async run(asked, ctx) {
      const payment = await allowed(settings, asked, ctx, 'transfer');
      const { payments } = await settings.backend;
      const id = await payments.transfer(payment, ctx.signal);
      return receipt({ ...payment, id });
    },
  });
  return [refund, wireRefund] as const;
}

/** @throws NotDone  The shop does not allow it: no money moved. */
async function allowed(
  settings: SupportSettings,
  { orderId, amountUsd }: z.infer<typeof input>,
  ctx: ToolContext,
  by: Order['paidBy'],
): Promise<Payment> {
  const cents = Math.round(amountUsd * 100);
  if (cents < 1 || Math.abs(cents - amountUsd * 100) > 1e-6)
    throw new NotDone('bad_amount', { message: 'The amount must be whole cents.' });
  const order = orderId.toUpperCase();
  const { shop } = await settings.backend;
  const { idempotencyKey: key, run } = ctx;
  const verdict = await shop.allowRefund({ key, run, order, customer: sender(ctx), cents, by });
  if (verdict.kind === 'refused')
    throw new NotDone(verdict.code, { message: verdict.message, hint: 'Do not try it again.' });
  return { reference: order, cents };
}
