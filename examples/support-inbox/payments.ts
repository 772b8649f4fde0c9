/** Asks the payment service, and says what an error leaves open. */
import { NotDone } from 'belayer';
import { usd } from './shop.ts';

export interface Payment {
  /** The order that is paid back. */
  readonly reference: string;
  readonly cents: number;
}

export interface Movement extends Payment {
  readonly id: string;
  readonly kind: 'card' | 'transfer';
  /** ISO 8601, UTC. */
  readonly madeAt: string;
}

export interface Payments {
  /** @throws NotDone  It was not reached, or refused. Any other error: the money may have moved. */
  refundCard(payment: Payment, key: string, signal: AbortSignal): Promise<string>;
  /** Twice is twice. @throws as `refundCard` */
  transfer(payment: Payment, signal: AbortSignal): Promise<string>;
  /** What was moved for these orders, oldest first. */
  books(references: readonly string[]): Promise<readonly Movement[]>;
}

export function createPayments(url: string): Payments {
  const move = async (
    path: string,
    payment: Payment,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      body: JSON.stringify(payment),
      headers: { 'content-type': 'application/json', ...headers },
      signal,
    }).catch((error: unknown) => {
      throw notReached(error) ?? brokenOff(error);
    });
    if (response.status >= 400 && response.status < 500)
      throw new NotDone('refused', { message: `It refused: ${response.status}.` });
    const { id } = (await response.json()) as { readonly id: string };
    return id;
  };
  return {
    refundCard: (payment, key, signal) =>
      move('/card-refunds', payment, signal, { 'idempotency-key': key }),
    transfer: (payment, signal) => move('/transfers', payment, signal),
    async books(references) {
      const query = references.map((each) => `reference=${encodeURIComponent(each)}`);
      const response = await fetch(`${url}/books?${query.join('&')}`);
      if (!response.ok) throw new Error(`The payment service answers ${response.status}.`);
      return (await response.json()) as Movement[];
    },
  };
}

/** What a tool says of a payment that was made, and what a human says who found it in the books. */
export const receipt = ({ id, reference, cents }: Payment & { readonly id: string }) => ({
  refund: id,
  orderId: reference,
  amount: usd(cents),
});

/** No connection came about, so nothing was asked. */
function notReached(error: unknown): NotDone | undefined {
  return codeOf(error) === 'ECONNREFUSED'
    ? new NotDone('not_reached', {
        message: 'The payment service was not reached.',
        retryable: true,
        cause: error,
      })
    : undefined;
}

const brokenOff = (error: unknown): Error =>
  new Error(
    `The connection to the payment service ended before its answer (${codeOf(error) ?? 'no code'}).`,
    { cause: error },
  );

const codeOf = (error: unknown): string | undefined =>
  (error as { readonly cause?: { readonly code?: string } }).cause?.code;
