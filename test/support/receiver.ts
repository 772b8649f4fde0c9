import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

type Answer = (response: ServerResponse, received: Received) => void;

/** A receiver of webhooks over a real socket. `answer` says what each request gets; default: 204. */
export async function startReceiver(port = 0): Promise<{
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  answer: Answer;
  stop(): Promise<void>;
}> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const got = { headers: request.headers, body: Buffer.concat(parts).toString('utf8') };
      receiver.received.push(got);
      receiver.answer(response, got);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const { port: own } = server.address() as AddressInfo;
  const receiver = {
    url: `http://127.0.0.1:${own}/hook`,
    port: own,
    received: [] as Received[],
    answer: ((response) => void response.writeHead(204).end()) as Answer,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return receiver;
}
