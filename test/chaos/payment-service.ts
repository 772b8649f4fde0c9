/**
 * The world outside: a payment service over HTTP that keeps books. It honours idempotency keys, and
 * it fails as real services do, before it acts, after it, and in between.
 *
 * 1. The books are the truth that everything is held against; nothing of the engine writes them.
 * 2. `keyed` moves money once per key, `safe` sets what is then set, `never` moves it every time.
 * 3. It acts within a third of the caller's time or not at all, so that whoever looks after the
 *    caller's time is over sees what happened for good.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Asked, isWrite, toolKinds } from './chaos-tools.ts';

/** What becomes of one request. */
export interface Conduct {
  /** For reports. */
  readonly name: string;
  readonly acts: boolean;
  /** Before it acts or answers. */
  readonly thinkMs: number;
  readonly answer: 'ok' | 'error' | 'decline' | 'garbage' | 'drop' | 'never';
}

export interface Arrival extends Asked {
  readonly atMs: number;
  readonly conduct: string;
  acted: 'yes' | 'no' | 'pending';
}

/** All that happened at one position of one run. */
export interface Book {
  readonly arrivals: Arrival[];
  moved: number;
}

type Listener = (asked: Asked, moment: 'arrived' | 'failed' | 'answered') => void;

export interface PaymentService {
  readonly url: string;
  /** By `RUN/POSITION`. */
  readonly books: ReadonlyMap<string, Book>;
  conduct(next: (asked: Asked, time: number) => Conduct): void;
  /** Told of each request when it arrives, and when it has been answered. */
  listen(listener: Listener): void;
  /** Process id of the worker whose effect arrives next. */
  nextSender(): Promise<number>;
  stop(): Promise<void>;
}

const plain: Conduct = { name: 'plain', acts: true, thinkMs: 0, answer: 'ok' };

export async function startPaymentService(): Promise<PaymentService> {
  const books = new Map<string, Book>();
  const keys = new Set<string>();
  let conduct: (asked: Asked, time: number) => Conduct = () => plain;
  let listener: Listener = () => undefined;
  let awaitsSender: (pid: number) => void = () => undefined;

  function move(asked: Asked, book: Book): void {
    const kind = toolKinds[asked.tool];
    // What is set already stays as it is.
    if (kind === 'safe') book.moved = 1;
    else if (kind !== 'keyed' || !keys.has(asked.key ?? '')) book.moved += 1;
    if (asked.key !== undefined) keys.add(asked.key);
  }

  async function act(
    asked: Asked,
    incoming: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const reference = `${asked.run}/${asked.position}`;
    const book = books.get(reference) ?? { arrivals: [], moved: 0 };
    books.set(reference, book);
    const how = conduct(asked, book.arrivals.length + 1);
    const arrival: Arrival = {
      ...asked,
      atMs: Date.now(),
      conduct: how.name,
      acted: how.acts && isWrite(asked.tool) ? 'pending' : 'no',
    };
    book.arrivals.push(arrival);
    listener(asked, 'arrived');
    if (isWrite(asked.tool)) awaitsSender(asked.worker);
    if (how.thinkMs > 0) await pause(how.thinkMs);
    if (arrival.acted === 'pending') {
      move(asked, book);
      arrival.acted = 'yes';
    }
    listener(asked, how.answer === 'ok' ? 'answered' : 'failed');
    send(how, { incoming, response, order: asked.order });
  }

  const server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    // A worker that is killed takes its connection with it.
    incoming.on('error', () => undefined);
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const asked = JSON.parse(Buffer.concat(parts).toString()) as Asked;
      if (incoming.url !== '/book') return void act(asked, incoming, response);
      const book = books.get(`${asked.run}/${asked.position}`);
      const pending = book?.arrivals.filter(({ acted }) => acted === 'pending').length ?? 0;
      response.end(JSON.stringify({ moved: book?.moved ?? 0, pending }));
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    books,
    conduct(next) {
      conduct = next;
    },
    listen(next) {
      listener = next;
    },
    nextSender: () => new Promise((resolve) => (awaitsSender = resolve)),
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function send(
  how: Conduct,
  to: {
    readonly incoming: IncomingMessage;
    readonly response: ServerResponse;
    readonly order: string;
  },
): void {
  const { incoming, response } = to;
  switch (how.answer) {
    case 'ok':
      return void response.end(JSON.stringify({ order: to.order, state: 'settled' }));
    case 'error':
      return void response.writeHead(500).end('{}');
    case 'decline':
      return void response.writeHead(409).end('{}');
    case 'garbage':
      return void response.end('<html>It works!');
    case 'drop':
      return void incoming.socket.destroy();
    case 'never':
      return;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
