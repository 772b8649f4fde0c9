import type { ServerResponse } from 'node:http';
import { streamEvents, wholeAnswer, type ReplyHead } from './render-reply.ts';
import type { Reply, StatusFault, WireFault } from './script.ts';

export interface Served {
  readonly reply: Reply;
  readonly isStream: boolean;
  readonly head: ReplyHead;
}

export async function sendReply(
  response: ServerResponse,
  planned: Reply,
  served: Served,
): Promise<void> {
  const { reply, isStream, head } = served;
  if (planned.thinkMs !== undefined) await pause(planned.thinkMs);
  if (!isStream) return sendText(response, 200, ['application/json', wholeAnswer(reply, head)]);
  const events = streamEvents(reply, head);
  if (reply.chunkDelayMs === undefined)
    return sendText(response, 200, ['text/event-stream', events.join('')]);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [index, event] of events.entries()) {
    if (index > 0) await pause(reply.chunkDelayMs);
    if (response.destroyed) return;
    response.write(event);
  }
  response.end();
}

const brokenEvents = 'data: {"choices":[{"delta":\n\ndata: [DONE]\n\n';
const begun: Reply = { text: 'This reply was begun and', chunkCount: 4 };

export async function sendFault(
  response: ServerResponse,
  planned: WireFault,
  serve: (reply: Reply) => Served,
): Promise<void> {
  if (planned.thinkMs !== undefined) await pause(planned.thinkMs);
  switch (planned.fault) {
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'hang':
      return;
    case 'slow': {
      const late = planned.reply ?? { text: 'Late.' };
      return sendReply(response, late, serve(late));
    }
    case 'empty-reply': {
      const empty: Reply = {};
      return sendReply(response, empty, serve(empty));
    }
    case 'malformed-json': {
      const { reply, head } = serve(planned.reply ?? begun);
      return sendText(response, 200, ['application/json', wholeAnswer(reply, head).slice(0, -5)]);
    }
    case 'malformed-stream':
      serve(planned.reply ?? begun);
      return sendText(response, 200, ['text/event-stream', brokenEvents]);
    case 'cut-stream':
    case 'idle-stream':
    case 'streamed-error': {
      const { reply, head } = serve(planned.reply ?? begun);
      const events = streamEvents(reply, head);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      // What is begun never holds the finish reason: the last three events are that, usage and [DONE].
      const first = events.slice(0, Math.max(1, Math.floor((events.length - 3) / 2))).join('');
      if (planned.fault === 'streamed-error') {
        const error = planned.error ?? {
          message: 'The server had an error.',
          type: 'server_error',
          code: null,
        };
        response.end(`${first}data: ${JSON.stringify({ error })}\n\n`);
      } else {
        response.write(first);
        if (planned.fault === 'cut-stream') setImmediate(() => response.destroy());
      }
    }
  }
}

export async function sendStatus(response: ServerResponse, planned: StatusFault): Promise<void> {
  if (planned.thinkMs !== undefined) await pause(planned.thinkMs);
  if (planned.retryAfterMs !== undefined)
    response.setHeader('retry-after-ms', String(planned.retryAfterMs));
  for (const [name, value] of Object.entries(planned.headers ?? {}))
    response.setHeader(name, value);
  const body =
    planned.body ?? errorBody(planned.status, planned.code, `Scripted status ${planned.status}.`);
  if (typeof body === 'string') sendText(response, planned.status, ['text/plain', body]);
  else sendJson(response, planned.status, body);
}

/** An error in OpenAI's form. */
export function errorBody(status: number, code: string | undefined, message: string) {
  return {
    error: {
      message,
      type: status < 500 ? 'invalid_request_error' : 'server_error',
      param: null,
      code: code ?? null,
    },
  };
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  sendText(response, status, ['application/json', JSON.stringify(body)]);
}

function sendText(
  response: ServerResponse,
  status: number,
  [contentType, text]: [string, string],
): void {
  const bytes = Buffer.from(text);
  response.writeHead(status, { 'content-type': contentType, 'content-length': bytes.byteLength });
  response.end(bytes);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
