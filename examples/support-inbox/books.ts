/**
 * Settles a refund of which nobody knows whether it happened, by what the payment service's books say.
 *
 * The question is opened when the attempt's own time is over, so what the books do not have by then
 * did not happen.
 */
import type { RequestRow, Run } from 'belayer/client';
import { type Movement, type Payments, receipt } from './payments.ts';
import { clock } from './progress.ts';
import { usd } from './shop.ts';

export interface Finding {
  /** Undefined: no money moved. */
  readonly movement: Movement | undefined;
  readonly text: string;
}

/** Undefined where the books cannot tell: another tool, or entries that do not fit. */
export async function lookUp(
  payments: Payments,
  { tool, arguments: given }: RequestRow,
): Promise<Finding | undefined> {
  if (tool !== 'refund' && tool !== 'wire_refund') return undefined;
  const { orderId, amountUsd } = JSON.parse(given) as {
    readonly orderId: string;
    readonly amountUsd: number;
  };
  const order = orderId.toUpperCase();
  const [movement, ...others] = await payments.books([order]);
  if (movement === undefined)
    return { movement, text: `the payment service's books have nothing for ${order}` };
  if (others.length > 0 || movement.cents !== Math.round(amountUsd * 100)) return undefined;
  const { id, kind, cents, madeAt } = movement;
  return {
    movement,
    text: `the payment service's books have it: ${id}, ${kind}, ${usd(cents)} for ${order}, ${clock(new Date(madeAt))}`,
  };
}

/** It happened: its result is given for it. It did not: it may run again. */
export async function settle(
  run: Run,
  request: RequestRow,
  { movement, text }: Finding,
  by?: string,
): Promise<void> {
  const { position, argumentsHash } = request;
  const decision = { argumentsHash, reason: text, ...(by === undefined ? {} : { by }) };
  await (movement === undefined
    ? run.approve(position, decision)
    : run.answer(position, receipt(movement), decision));
}
