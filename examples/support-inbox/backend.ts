/** What the tools work with, and for whom. */
import { NotDone, type ToolContext } from 'belayer';
import type { Mailer } from './outbox.ts';
import type { Payments } from './payments.ts';
import type { Shop } from './shop.ts';

export interface Backend {
  readonly shop: Shop;
  readonly payments: Payments;
  /** Halts what else runs for the customer, and gives the runs that stand halted. */
  callOff(caller: {
    readonly customer: string;
    readonly run: string;
    readonly reason: string;
  }): Promise<readonly string[]>;
}

export interface SupportSettings {
  /** Settles when the worker's database is known: a tool that is called before waits. */
  readonly backend: Promise<Backend>;
  readonly mailer: Mailer;
  /** The mail server keeps one mail per Message-ID, so a reply may be sent again. */
  readonly mailerKeepsIds: boolean;
  /** A human decides on refunds above it. */
  readonly approvalAboveUsd: number;
}

/** The mail's sender, fixed when the run was started: no argument of the model names a customer. */
export function sender(ctx: ToolContext): string {
  if (ctx.customer !== undefined) return ctx.customer;
  throw new NotDone('no_customer', { message: 'A run of this agent is started with a customer.' });
}
