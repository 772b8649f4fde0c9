/**
 * The shop's own tables, in the same PostgreSQL: what the agent's tools read and change.
 *
 * 1. A refund is one row in `shop.payments`, unique by the key of the tool call and by its order: the
 *    same call made twice gives the row of the first, another call for the same order is refused.
 * 2. What may be refunded is decided here, against the tables, whatever a model was talked into: the
 *    order is the sender's own, and the amount is at most what was paid for it.
 * 3. Money is whole cents.
 */
import pg from 'pg';

export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly item: string;
  readonly paidCents: number;
  readonly state: 'packed' | 'shipped' | 'delivered';
  readonly tracking: string | null;
  readonly refundedCents: number;
}

export interface Refund {
  readonly key: string;
  readonly run: string;
  readonly order: string;
  readonly customer: string;
  readonly cents: number;
}

export type RefundVerdict =
  | { readonly kind: 'refunded'; readonly id: string }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

export interface Shop {
  /** The customer's own order; another customer's does not exist for them. */
  order(id: string, customer: string): Promise<Order | undefined>;
  ordersOf(customer: string): Promise<readonly Order[]>;
  refund(refund: Refund): Promise<RefundVerdict>;
  /** The same key twice is one row. */
  escalate(row: {
    readonly key: string;
    readonly run: string;
    readonly customer: string;
    readonly reason: string;
  }): Promise<string>;
  /** Cents that these runs refunded. */
  refundedBy(runs: readonly string[]): Promise<number>;
  /** The database's clock: the one that runs are dated with. */
  now(): Promise<Date>;
  close(): Promise<void>;
}

const tables = `
  create schema if not exists shop;
  create table if not exists shop.orders (
    id text primary key, customer text not null, item text not null, paid_cents int not null,
    state text not null, tracking text);
  create table if not exists shop.payments (
    id bigint generated always as identity primary key, key text not null unique, run text not null,
    order_id text not null unique references shop.orders, cents int not null check (cents > 0),
    made_at timestamptz not null default now());
  create table if not exists shop.escalations (
    id bigint generated always as identity primary key, key text not null unique, run text not null,
    customer text not null, reason text not null, made_at timestamptz not null default now());
  insert into shop.orders (id, customer, item, paid_cents, state, tracking) values
    ('A-1001', 'ana.silva@example.com', 'Headlamp 400', 3990, 'shipped', 'GX-5530-21'),
    ('A-1002', 'joerg.mueller@example.org', 'Chalk bags, two', 3450, 'delivered', null),
    ('A-1003', 'priya@example.net', 'Rope 9.5 mm, 70 m', 18900, 'delivered', null),
    ('A-1004', 'tom.okafor@example.com', 'Quickdraws and a locking carabiner', 6400, 'delivered', null),
    ('A-1005', 'm.dubois@example.org', 'Harness', 7900, 'delivered', null),
    ('A-1006', 'begona@example.com', 'Climbing shoes', 9900, 'shipped', 'GX-5531-07'),
    ('A-1007', 'mallory@example.com', 'Guide book', 3000, 'delivered', null),
    ('A-1008', 'ines.costa@example.com', 'Crash pad', 15900, 'shipped', 'GX-5533-90')
  on conflict do nothing;`;

const orderColumns = `o.id, o.customer, o.item, o.paid_cents as "paidCents", o.state, o.tracking,
  coalesce(p.cents, 0) as "refundedCents"`;
const fromOrders = 'from shop.orders o left join shop.payments p on p.order_id = o.id';

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
    refund: (refund) => refundOnce(pool, refund),
    async escalate({ key, run, customer, reason }) {
      const made = await pool.query<{ id: string }>(
        `with made as (insert into shop.escalations (key, run, customer, reason) values ($1, $2, $3, $4)
            on conflict (key) do nothing returning id)
          select id from made union all select id from shop.escalations where key = $1`,
        [key, run, customer, reason],
      );
      return `E-${made.rows[0]?.id}`;
    },
    async refundedBy(runs) {
      const sum = await pool.query<{ cents: number }>(
        'select coalesce(sum(cents), 0)::int as cents from shop.payments where run = any($1)',
        [runs],
      );
      return sum.rows[0]?.cents ?? 0;
    },
    async now() {
      const clock = await pool.query<{ now: Date }>('select clock_timestamp() as now');
      return clock.rows[0]?.now ?? new Date();
    },
    close: () => pool.end(),
  };
}

async function refundOnce(pool: pg.Pool, refund: Refund): Promise<RefundVerdict> {
  const { key, run, order, customer, cents } = refund;
  // One statement: it happened, or nothing did. Two calls for one order meet at its unique row.
  const made = await pool.query<{ id: string }>(
    `insert into shop.payments (key, run, order_id, cents)
      select $1, $2, id, $5 from shop.orders where id = $3 and customer = $4 and $5 <= paid_cents
      on conflict do nothing returning id`,
    [key, run, order, customer, cents],
  );
  const before = await pool.query<{ id: string; key: string; cents: number }>(
    'select id, key, cents from shop.payments where key = $1 or order_id = $2 order by (key = $1) desc limit 1',
    [key, order],
  );
  const row = made.rows[0] ?? before.rows.find((payment) => payment.key === key);
  if (row !== undefined) return { kind: 'refunded', id: `R-${row.id}` };
  const found = await pool.query<{ paid_cents: number }>(
    'select paid_cents from shop.orders where id = $1 and customer = $2',
    [order, customer],
  );
  const paid = found.rows[0]?.paid_cents;
  if (paid === undefined)
    return {
      kind: 'refused',
      code: 'no_such_order',
      message: `${customer} has no order ${order}.`,
    };
  if (before.rows.length > 0)
    return {
      kind: 'refused',
      code: 'refunded_before',
      message: `Order ${order} was refunded before.`,
    };
  return {
    kind: 'refused',
    code: 'too_much',
    message: `${usd(cents)} is more than the ${usd(paid)} that were paid for order ${order}.`,
  };
}

export const usd = (cents: number): string => `${(cents / 100).toFixed(2)} USD`;
