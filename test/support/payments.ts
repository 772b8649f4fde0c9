/**
 * A payment service over HTTP: the world outside, which counts. It honours idempotency keys, and it
 * can act and then drop the connection, so that the caller does not know.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Payment {
  /** Of a keyed payment. */
  readonly key?: string;
  /** Names the call that asked: run and position. */
  readonly reference: string;
  readonly attempt: number;
}

/** What becomes of one request. */
export interface Conduct {
  /** Before it acts. */
  readonly thinkMs?: number;
  /** `drop`: acts, then closes the connection. `decline`: does not act, answers 409. */
  readonly end?: 'answer' | 'drop' | 'decline';
  /** Between the act and the answer. */
  readonly answerMs?: number;
}

export interface Payments {
  readonly url: string;
  /** How often money moved, by reference: a repeated key does not move it again. */
  readonly moved: ReadonlyMap<string, number>;
  /** Every request that arrived. */
  readonly requests: readonly Payment[];
  conduct(next: (payment: Payment) => Conduct): void;
  stop(): Promise<void>;
}

export async function startPayments(): Promise<Payments> {
  const moved = new Map<string, number>();
  const requests: Payment[] = [];
  const byKey = new Set<string>();
  let conduct: (payment: Payment) => Conduct = () => ({});
  const server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => void answer(JSON.parse(Buffer.concat(parts).toString()) as Payment));
    const answer = async (payment: Payment): Promise<void> => {
      requests.push(payment);
      const { thinkMs = 0, end = 'answer', answerMs = 0 } = conduct(payment);
      await pause(thinkMs);
      if (end === 'decline') return void response.writeHead(409).end('{}');
      const isRepeat = payment.key !== undefined && byKey.has(payment.key);
      if (!isRepeat) moved.set(payment.reference, (moved.get(payment.reference) ?? 0) + 1);
      if (payment.key !== undefined) byKey.add(payment.key);
      await pause(answerMs);
      if (end === 'drop') return void incoming.socket.destroy();
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ payment: payment.key ?? payment.reference }));
    };
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    moved,
    requests,
    conduct(next) {
      conduct = next;
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const pause = (ms: number): Promise<void> =>
  ms === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
