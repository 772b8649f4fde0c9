import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { TransportFault } from './transport-fault.ts';

/** The most of an error's body that is read, in bytes. */
const errorBodyBytesMax = 64 * 1024;
/** How long an unused connection is kept, in milliseconds: under the 5 s after which a Node server drops its side. */
const idleConnectionMsMax = 4_000;

/**
 * A response whose body has not been read: `wire` gives its bytes as they come.
 *
 * `body` is null on purpose: a web stream per call costs more processor time than the rest of the call.
 */
export class WireResponse extends Response {
  readonly wire: IncomingMessage;
  constructor(wire: IncomingMessage, init: ResponseInit) {
    super(null, init);
    this.wire = wire;
  }
}

/**
 * A `fetch` over `node:http` for the `openai` package: keep-alive, no redirects, no time limits of its own.
 *
 * Node's own `fetch` gives up after 300 s without headers, which a reasoning model may need, follows redirects with
 * the API key, and costs about twice the processor time. Answers from 200 to 299 are `WireResponse`s; all others
 * carry the first 64 KiB of their body.
 * @throws TransportFault 'not-connected' where no connection was made, 'cut' where one ended before the headers.
 */
export function wireFetch(): (
  url: string | URL | Request,
  init?: RequestInit,
) => Promise<Response> {
  const options = { keepAlive: true, timeout: idleConnectionMsMax, scheduling: 'lifo' } as const;
  const httpAgent = new HttpAgent(options);
  const httpsAgent = new HttpsAgent(options);

  return (url, init = {}) =>
    new Promise((resolve, reject) => {
      const { signal, body } = init;
      const bytes = typeof body === 'string' ? Buffer.from(body) : (body as Uint8Array);
      const headers: Record<string, string | number> = { 'content-length': bytes.byteLength };
      for (const [name, value] of init.headers as Headers) headers[name] = value;
      const address = url instanceof Request ? url.url : url.toString();
      const request = address.startsWith('https:')
        ? httpsRequest(address, { method: init.method ?? 'POST', headers, agent: httpsAgent })
        : httpRequest(address, { method: init.method ?? 'POST', headers, agent: httpAgent });

      let isConnected = false;
      const abort = () => request.destroy();
      if (signal?.aborted === true) abort();
      signal?.addEventListener('abort', abort, { once: true });
      request.once('socket', (socket) => {
        if (!socket.connecting) isConnected = true;
        else
          socket.once(address.startsWith('https:') ? 'secureConnect' : 'connect', () => {
            isConnected = true;
          });
      });
      request.on('error', (origin) => {
        reject(
          new TransportFault(isConnected ? 'cut' : 'not-connected', 'The connection failed.', {
            origin,
          }),
        );
      });
      request.on('close', () => signal?.removeEventListener('abort', abort));
      request.on('response', (wire) => {
        const status = wire.statusCode ?? 0;
        const init = { status, headers: wire.headers as Record<string, string> };
        if (status >= 200 && status < 300) resolve(new WireResponse(wire, init));
        else errorText(wire).then((text) => resolve(new Response(text, init)), reject);
      });
      request.end(bytes);
    });
}

async function errorText(wire: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of wire as AsyncIterable<Buffer>) {
      parts.push(part);
      size += part.length;
      // Leaving the loop closes the connection.
      if (size >= errorBodyBytesMax) break;
    }
  } catch {
    // The status says enough: what came of the body is kept, and a cut body changes nothing.
  }
  return Buffer.concat(parts).subarray(0, errorBodyBytesMax).toString('utf8');
}
