/** What the stand-in model sees in a conversation: the mail, and what its tools said of it. */
import type { Conversation } from 'belayer/testing';
import type { MailInput } from './mail.ts';

export interface OrderSeen {
  readonly orderId: string;
  readonly item: string;
  readonly state: 'packed' | 'shipped' | 'delivered';
  readonly tracking?: string;
  readonly paidUsd: number;
  readonly paidBy: 'card' | 'transfer';
  readonly refundedUsd: number;
}

const ordersMax = 4;

export function readMail(text: string): MailInput | undefined {
  try {
    const mail = JSON.parse(text) as MailInput;
    return typeof mail?.from === 'string' && typeof mail.text === 'string' ? mail : undefined;
  } catch {
    return undefined;
  }
}

export const orderIds = (text: string): string[] =>
  [...new Set([...text.matchAll(/\b[A-Z]{1,3}-\d{3,8}\b/gu)].map(([id]) => id))].slice(
    0,
    ordersMax,
  );

export function amountIn(text: string): number | undefined {
  const found =
    /[$€]\s?(\d{1,5}(?:[.,]\d{2})?)\b/u.exec(text) ??
    /\b(\d{1,5}(?:[.,]\d{2})?)\s?(?:USD|EUR|dollars?|euros?|€)/iu.exec(text);
  const amount = Number(found?.[1]?.replace(',', '.'));
  return Number.isFinite(amount) && amount > 0 ? amount : undefined;
}

export function ordersFound({ exchanges }: Conversation): OrderSeen[] {
  const seen = exchanges.flatMap(({ name, result }): OrderSeen[] => {
    if (errorOf(result) !== undefined) return [];
    if (name === 'find_order') return [parsed(result) as OrderSeen];
    if (name === 'orders_of_customer') return (parsed(result) as { orders: OrderSeen[] }).orders;
    return [];
  });
  return seen.slice(0, ordersMax);
}

export const made = (conversation: Conversation, tool: string) =>
  conversation.exchanges.filter((exchange) => exchange.name === tool);

export const refundsTried = (conversation: Conversation) =>
  conversation.exchanges.filter(({ name }) => name === 'refund' || name === 'wire_refund');

export const amountOf = (exchange: { readonly result: string | undefined }): string =>
  (parsed(exchange.result) as { amount: string }).amount;

/** The runs that a call of `call_off` found, or none where it failed. */
export const stoppedBy = (exchange: { readonly result: string | undefined }): readonly string[] =>
  (parsed(exchange.result) as { stopped?: readonly string[] }).stopped ?? [];

/** The code of a tool's error, or undefined where it brought a result. */
export function errorOf(result: string | undefined): string | undefined {
  if (result === undefined) return 'no_result';
  const { error } = parsed(result) as { error?: { code: string } };
  return error?.code;
}

/** A result that a human gave stands below a line that says so. */
const parsed = (result = ''): unknown => JSON.parse(result.slice(result.indexOf('{')));
