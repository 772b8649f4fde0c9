import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ChatRequest } from './chat-request.ts';

/** A completions request as it arrived. */
export class RecordedRequest {
  /** From 1, over all completions requests. */
  readonly n: number;
  /** The exact body. */
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** True once the client left before its answer was whole. */
  aborted = false;

  constructor(n: number, body: string, headers: IncomingHttpHeaders) {
    this.n = n;
    this.body = body;
    this.headers = headers;
    this.at = Date.now();
  }

  /** SHA-256 of the body's bytes, in hex. */
  get sha256(): string {
    return createHash('sha256').update(this.body).digest('hex');
  }

  get json(): ChatRequest {
    return JSON.parse(this.body) as ChatRequest;
  }
}
