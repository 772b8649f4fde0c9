/**
 * The shop's own tables, in the same PostgreSQL: what the agent's tools read and change.
 *
 * 1. A refund is allowed here before any money moves (`payments.ts`): one row in `shop.refunds`, unique
 *    by the key of the tool call and by its order. The same call made twice is allowed twice, another
 *    call for the same order is refused.
 * 2. What may be refunded is decided here, against the tables, whatever a model was talked into: the
 *    order is the sender's own, the amount is at most what was paid for it, and it goes back the way
 *    it came.
 * 3. Money is whole cents.
 */
import pg from 'pg';
import { tables } from './shop-tables.ts';

export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly item: string;
  readonly paidCents: number;
  readonly paidBy: 'card' | 'transfer';
  readonly state: 'packed' | 'shipped' | 'delivered';
  readonly tracking: string | null;
  /** Allowed, and so moved or on its way. */
  readonly refundedCents: number;
}

export interface Refund {
  readonly key: string;
  readonly run: string;
  readonly order: string;
  readonly customer: string;
  readonly cents: number;
  readonly by: Order['paidBy'];
}

export type RefundVerdict =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

export interface Allowed {
  readonly run: string;
  readonly order: string;
  readonly cents: number;
}

export interface Shop {
  /** The customer's own order; another customer's does not exist for them. */
  order(id: string, customer: string): Promise<Order | undefined>;
  ordersOf(customer: string): Promise<readonly Order[]>;
  allowRefund(refund: Refund): Promise<RefundVerdict>;
  /** The same key twice is one row. */
  escalate(row: {
    readonly key: string;
    readonly run: string;
    readonly customer: string;
    readonly reason: string;
  }): Promise<string>;
  /** What these runs were allowed to pay back. */
  refundsOf(runs: readonly string[]): Promise<readonly Allowed[]>;
  /** The database's clock: the one that runs are dated with. */
  now(): Promise<Date>;
  close(): Promise<void>;
}

const orderColumns = `o.id, o.customer, o.item, o.paid_cents as "paidCents", o.paid_by as "paidBy", o.state, o.tracking,
  coalesce(p.cents, 0) as "refundedCents"`;
const fromOrders = 'from shop.orders o left join shop.refunds p on p.order_id = o.id';

/** Opens the shop's tables, and makes and fills them where they are not there yet. */
export async function openShop(databaseUrl: string): Promise<Shop> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 5,
    application_name: 'support inbox',
  });
  // Without a listener the end of an idle connection would end the process.
  pool.on('error', () => undefined);
  // Two programs that start at once make the tables one after the other.
  await pool.query(`begin; select pg_advisory_xact_lock(20261116); ${tables} commit;`);
  return {
    async order(id, customer) {
      const found = await pool.query<Order>(
        `select ${orderColumns} ${fromOrders} where o.id = $1 and o.customer = $2`,
        [id, customer],
      );
      return found.rows[0];
    },
    async ordersOf(customer) {
      const found = await pool.query<Order>(
        `select ${orderColumns} ${fromOrders} where o.customer = $1 order by o.id limit 20`,
        [customer],
      );
      return found.rows;
    },
    allowRefund: (refund) => allowOnce(pool, refund),
    async escalate({ key, run, customer, reason }) {
      const made = await pool.query<{ id: string }>(
        `with made as (insert into shop.escalations (key, run, customer, reason) values ($1, $2, $3, $4)
            on conflict (key) do nothing returning id)
          select id from made union all select id from shop.escalations where key = $1`,
        [key, run, customer, reason],
      );
      return `E-${made.rows[0]?.id}`;
    },
    async refundsOf(runs) {
      const found = await pool.query<Allowed>(
        'select run, order_id as "order", cents from shop.refunds where run = any($1) order by order_id',
        [runs],
      );
      return found.rows;
    },
    async now() {
      const clock = await pool.query<{ now: Date }>('select clock_timestamp() as now');
      return clock.rows[0]?.now ?? new Date();
    },
    close: () => pool.end(),
  };
}

async function allowOnce(pool: pg.Pool, refund: Refund): Promise<RefundVerdict> {
  const { key, run, order, customer, cents, by } = refund;
  // One statement: it is allowed, or nothing is. Two calls for one order meet at its unique row.
  await pool.query(
    `insert into shop.refunds (key, run, order_id, cents)
      select $1, $2, id, $5 from shop.orders
        where id = $3 and customer = $4 and $5 <= paid_cents and paid_by = $6
      on conflict do nothing`,
    [key, run, order, customer, cents, by],
  );
  const found = await pool.query<{
    readonly paidCents: number;
    readonly paidBy: string;
    readonly key: string | null;
  }>(
    `select o.paid_cents as "paidCents", o.paid_by as "paidBy", r.key
      from shop.orders o left join shop.refunds r on r.order_id = o.id
      where o.id = $1 and o.customer = $2`,
    [order, customer],
  );
  const refused = (code: string, message: string) => ({ kind: 'refused', code, message }) as const;
  const [paid] = found.rows;
  if (paid === undefined) return refused('no_such_order', `${customer} has no order ${order}.`);
  if (paid.key === key) return { kind: 'allowed' };
  if (paid.key !== null) return refused('refunded_before', `Order ${order} was refunded before.`);
  if (paid.paidBy !== by)
    return refused('wrong_way', `Order ${order} was paid by ${paid.paidBy}, not by ${by}.`);
  return refused(
    'too_much',
    `${usd(cents)} is more than the ${usd(paid.paidCents)} that were paid for order ${order}.`,
  );
}

export const usd = (cents: number): string => `${(cents / 100).toFixed(2)} USD`;
