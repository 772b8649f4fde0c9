/**
 * The payment service: moves money, over HTTP, and keeps books of what it moved. It stands for two
 * that are not yours:
 *
 * 1. `POST /card-refunds` knows keys, as card processors do: the same key moves the money once.
 * 2. `POST /transfers` knows none, as most banks: asked twice, it pays twice.
 * 3. `GET /books` says what was moved. It is for people, as a bank statement is.
 *
 * What goes wrong with it goes wrong on purpose, and by the order: see `sampleTroubles`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { z } from 'zod';

export interface Troubles {
  /** The money moves, and then the connection is dropped before the answer. */
  readonly hangsUpOn: readonly string[];
  /** The money moves only after `slowMs`. */
  readonly slowOn: readonly string[];
  readonly slowMs: number;
}

/** What the sample mails run into: `mails/10-*.eml` and `mails/11-*.eml`. */
export const sampleTroubles: Troubles = {
  hangsUpOn: ['A-1009'],
  slowOn: ['A-1010'],
  slowMs: 3_000,
};

export interface PaymentService {
  readonly url: string;
  close(): Promise<void>;
}

const tables = `
  create schema if not exists payments;
  create table if not exists payments.books (
    id bigint generated always as identity primary key, kind text not null, reference text not null,
    cents int not null check (cents > 0), key text unique, made_at timestamptz not null default now());`;

const asked = z.object({ reference: z.string().max(40), cents: z.number().int().positive() });
type Asked = z.infer<typeof asked>;
type Kind = 'card' | 'transfer';

/** Starts it on a free loopback port. */
export async function startPaymentService(
  databaseUrl: string,
  troubles: Troubles,
): Promise<PaymentService> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4, application_name: 'payments' });
  pool.on('error', () => undefined);
  await pool.query(`begin; select pg_advisory_xact_lock(20261117); ${tables} commit;`);

  const server = createServer((request, response) => {
    // An answer that could not be given is a connection that ends: its caller knows nothing.
    answer(pool, troubles, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await pool.end();
    },
  };
}

async function answer(
  pool: pg.Pool,
  troubles: Troubles,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
  const say = (status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const route = `${request.method} ${pathname}`;
  if (route === 'GET /books') return say(200, await books(pool, searchParams.getAll('reference')));
  if (route !== 'POST /card-refunds' && route !== 'POST /transfers') return say(404, {});

  const parsed = asked.safeParse(await readJson(request));
  const kind = route === 'POST /transfers' ? 'transfer' : 'card';
  const key = request.headers['idempotency-key'];
  if (!parsed.success || (kind === 'card' && typeof key !== 'string')) return say(400, {});
  const { reference } = parsed.data;
  if (troubles.slowOn.includes(reference))
    await new Promise((resolve) => setTimeout(resolve, troubles.slowMs));
  const id = await move(pool, kind, parsed.data, kind === 'card' ? String(key) : null);
  if (troubles.hangsUpOn.includes(reference)) return void response.destroy();
  say(201, { id });
}

/** One statement and one row: the money moved when it commits. */
async function move(
  pool: pg.Pool,
  kind: Kind,
  { reference, cents }: Asked,
  key: string | null,
): Promise<string> {
  const made = await pool.query<{ id: string }>(
    `with made as (insert into payments.books (kind, reference, cents, key) values ($1, $2, $3, $4)
        on conflict (key) do nothing returning id)
      select id from made union all select id from payments.books where key = $4`,
    [kind, reference, cents, key],
  );
  return `P-${made.rows[0]?.id}`;
}

async function books(pool: pg.Pool, references: readonly string[]): Promise<unknown> {
  const found = await pool.query(
    `select 'P-' || id as id, kind, reference, cents, made_at as "madeAt" from payments.books
      where reference = any($1) order by books.id`,
    [references],
  );
  return found.rows;
}

const bodyBytesMax = 10_000;

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk as string;
    if (text.length > bodyBytesMax) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
