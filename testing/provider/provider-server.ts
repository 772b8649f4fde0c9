import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ChatRequest } from './chat-request.ts';
import { ProviderMeter } from './provider-meter.ts';
import { RecordedRequest } from './recorded-request.ts';
import { replyBytes, type BilledUsage } from './render-reply.ts';
import type { Fault, Reply, StatusFault } from './script.ts';
import {
  errorBody,
  sendFault,
  sendJson,
  sendReply,
  sendStatus,
  type Served,
} from './send-answer.ts';

/** Answers in order, or a function of the request and its number from 1. */
export type Script =
  | readonly (Reply | Fault)[]
  | ((request: ChatRequest, n: number) => Reply | Fault | Promise<Reply | Fault>);

export interface ProviderOptions {
  readonly script?: Script;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Named by `GET /v1/models`. Every model is answered. */
  readonly models?: readonly string[];
  /** Requests kept for reading. Default 10 000; a benchmark says 0. */
  readonly requestsKeptMax?: number;
}

export interface Provider {
  /** `http://127.0.0.1:PORT/v1`, as `OPENAI_BASE_URL` wants it. */
  readonly baseURL: string;
  readonly port: number;
  readonly requests: readonly RecordedRequest[];
  readonly meter: ProviderMeter;
  /** Replaces the script; an array begins at its start. */
  script(next: Script): void;
  /** Closes the port and every connection. */
  stop(): Promise<void>;
}

const bodyBytesMax = 64 * 1024 * 1024;
const bytesPerToken = 4;

/** Starts an OpenAI-compatible provider on 127.0.0.1 that answers by a script. Deterministic but for its port. */
export async function startProvider(options: ProviderOptions = {}): Promise<Provider> {
  const requestsKeptMax = options.requestsKeptMax ?? 10_000;
  const requests: RecordedRequest[] = [];
  const meter = new ProviderMeter();
  let script: Script = options.script ?? [];
  let next = 0;
  let count = 0;

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    if (incoming.method === 'GET' && incoming.url === '/v1/models') {
      const data = (options.models ?? []).map((id) => ({
        id,
        object: 'model',
        created: 0,
        owned_by: 'belayer',
      }));
      return sendJson(response, 200, { object: 'list', data });
    }
    if (incoming.method !== 'POST' || incoming.url !== '/v1/chat/completions') {
      return sendJson(
        response,
        404,
        errorBody(404, 'not_found', `No ${incoming.method} ${incoming.url} here.`),
      );
    }
    const body = await bodyOf(incoming);
    const n = ++count;
    const recorded = new RecordedRequest(n, body, incoming.headers);
    if (requests.length < requestsKeptMax) requests.push(recorded);
    response.once('close', () => {
      recorded.aborted = !response.writableFinished;
    });
    response.setHeader('x-request-id', `req_${n}`);

    let request: ChatRequest;
    try {
      request = JSON.parse(body) as ChatRequest;
    } catch {
      return sendJson(response, 400, errorBody(400, 'invalid_json', 'The body is not JSON.'));
    }
    const planned =
      typeof script === 'function' ? await script(request, n) : (script[next++] ?? exhausted(next));
    if ('status' in planned) return sendStatus(response, planned);
    if ('fault' in planned) return sendFault(response, planned, serve(request, n, body));
    return sendReply(response, planned, serve(request, n, body)(planned));
  }

  /** Bills a reply to a request and says how it is to be sent. */
  const serve =
    (request: ChatRequest, n: number, body: string) =>
    (given: Reply): Served => {
      const outputTokensMax = request.max_completion_tokens ?? request.max_tokens;
      const reply = cutToLimit(given, outputTokensMax);
      const usage = usageOf(reply, Buffer.byteLength(body));
      meter.bill(request.model, usage);
      return {
        reply,
        isStream:
          (reply.as ?? (request.stream === true ? 'stream' : 'whole')) === 'stream' &&
          request.stream === true,
        head: { id: `chatcmpl-${n}`, model: request.model, n, usage },
      };
    };

  const server = createServer((incoming, response) => {
    answer(incoming, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, errorBody(500, 'script_failed', String(error)));
    });
  });
  // A test's pauses must not look like a provider that drops connections.
  server.keepAliveTimeout = 60_000;
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    baseURL: `http://127.0.0.1:${port}/v1`,
    port,
    requests,
    meter,
    script(following) {
      script = following;
      next = 0;
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A script that is too short is a test's mistake: an answer that nobody retries says so. */
function exhausted(count: number): StatusFault {
  return {
    status: 400,
    code: 'script_exhausted',
    body: errorBody(400, 'script_exhausted', `The script has no answer ${count}.`),
  };
}

/** A provider stops at the output limit; only text is cut, since half a tool call would be a fault of its own. */
function cutToLimit(reply: Reply, outputTokensMax: number | undefined): Reply {
  const bytesMax = (outputTokensMax ?? Infinity) * bytesPerToken;
  if (reply.text === undefined || replyBytes(reply) <= bytesMax || reply.toolCalls !== undefined)
    return reply;
  const text = Buffer.from(reply.text)
    .subarray(0, bytesMax)
    .toString('utf8')
    .replace(/\uFFFD+$/u, '');
  return { ...reply, text, finishReason: 'length' };
}

function usageOf(reply: Reply, requestBytes: number): BilledUsage {
  const stated = reply.usage === 'none' ? {} : (reply.usage ?? {});
  return {
    inputTokens: stated.inputTokens ?? Math.ceil(requestBytes / bytesPerToken),
    cachedInputTokens: stated.cachedInputTokens ?? 0,
    outputTokens: stated.outputTokens ?? Math.max(1, Math.ceil(replyBytes(reply) / bytesPerToken)),
    reasoningTokens: stated.reasoningTokens ?? 0,
  };
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    incoming.on('data', (part: Buffer) => {
      parts.push(part);
      size += part.length;
      if (size > bodyBytesMax) reject(new Error(`A request is over ${bodyBytesMax} bytes.`));
    });
    incoming.on('end', () =>
      resolve(parts.length === 1 ? String(parts[0]) : Buffer.concat(parts).toString('utf8')),
    );
    incoming.on('error', reject);
  });
}
