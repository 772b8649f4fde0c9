import type { IncomingMessage } from 'node:http';
import { ReplyAssembly, type AssembledReply, type WireReply } from './assemble-reply.ts';
import { EventStream } from './event-stream.ts';
import { StreamedError, TransportFault } from './transport-fault.ts';

/** The most bytes that one reply may have on the wire. */
const replyBytesMax = 32 * 1024 * 1024;
/** How long the connection may stay open after `[DONE]`, in milliseconds, before it is thrown away. */
const lingerMsMax = 1_000;

export interface ReplyListener {
  readonly onBytes: () => void;
  readonly onContent: (text: string) => void;
}

/**
 * Reads a whole reply, streamed or not, from a response that has begun.
 *
 * Whole means: the stream said why it finished, or said `[DONE]`; an answer in one piece is whole JSON.
 * @throws TransportFault 'cut' for a body that ended early, 'malformed' for one that is no reply.
 * @throws StreamedError  for an error that the provider wrote into its reply.
 */
export function readReply(
  wire: IncomingMessage,
  requestId: string | undefined,
  listener: ReplyListener,
): Promise<AssembledReply> {
  const assembly = new ReplyAssembly();
  const isJson = (wire.headers['content-type'] ?? '').includes('json');

  return new Promise((resolve, reject) => {
    let size = 0;
    let events = 0;
    const parts: Buffer[] = [];

    let isSettled = false;
    const settle = () => {
      if (isSettled) return;
      isSettled = true;
      wire.removeAllListeners('data');
      resolve(assembly.reply());
      if (wire.readableEnded) return;
      // The connection is used again only if the body ends.
      wire.resume();
      const linger = setTimeout(() => wire.destroy(), lingerMsMax);
      linger.unref();
      wire.once('close', () => clearTimeout(linger));
    };
    const fail = (error: Error) => {
      isSettled = true;
      reject(error);
      wire.destroy();
    };
    const take = (text: string) => {
      const event = parse(text, requestId);
      if (event.error !== undefined && event.error !== null)
        throw new StreamedError(event.error, requestId);
      const { text: delta, isContent } = assembly.add(event);
      if (isContent) listener.onContent(delta);
    };
    let isDone = false;
    const stream = new EventStream((data) => {
      if (isDone) return;
      events += 1;
      if (data.startsWith('[DONE]')) isDone = true;
      else if (data !== '') take(data);
    });
    const guarded = (work: () => void) => {
      try {
        work();
      } catch (error) {
        fail(error as Error);
      }
    };

    wire.on('data', (bytes: Buffer) =>
      guarded(() => {
        listener.onBytes();
        size += bytes.length;
        if (size > replyBytesMax)
          throw new TransportFault('malformed', `A reply is over ${replyBytesMax} bytes.`, {
            providerRequestId: requestId,
          });
        if (isJson) {
          parts.push(bytes);
          return;
        }
        stream.write(bytes);
        if (isDone) settle();
      }),
    );
    wire.once('end', () =>
      guarded(() => {
        if (isDone) return;
        if (isJson) take(Buffer.concat(parts).toString('utf8'));
        else stream.end();
        if (isJson || isDone || assembly.isFinished) settle();
        else if (events === 0)
          throw new TransportFault('malformed', 'A reply has no events.', {
            providerRequestId: requestId,
          });
        else throw cut(requestId, undefined);
      }),
    );
    wire.on('error', (origin) => {
      // What said why it finished is whole, even if the connection broke before the last formalities.
      if (assembly.isFinished && !isJson) settle();
      else fail(cut(requestId, origin));
    });
    wire.once('close', () => {
      if (!wire.readableEnded && !isSettled) fail(cut(requestId, undefined));
    });
    // Cut between its headers and this call: no event would come any more.
    if (wire.destroyed) fail(cut(requestId, undefined));
  });
}

function cut(providerRequestId: string | undefined, origin: unknown): TransportFault {
  return new TransportFault('cut', 'A reply ended before it was whole.', {
    origin,
    providerRequestId,
  });
}

function parse(text: string, providerRequestId: string | undefined): WireReply {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (origin) {
    throw new TransportFault('malformed', 'A reply is not JSON.', { origin, providerRequestId });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new TransportFault('malformed', 'A reply is not a JSON object.', { providerRequestId });
}
