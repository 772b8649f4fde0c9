import { StringDecoder } from 'node:string_decoder';

/**
 * Cuts a server-sent event stream into the `data` of its events, whatever the network made of its chunks.
 *
 * Written here because the `openai` package's stream hides what we must know: whether `[DONE]` came, and when
 * the last byte did (a comment line keeps a stream alive). It also copies its buffer once per chunk. Lines end in
 * LF or CRLF; the lone CR that the specification allows is not read, since no provider sends it.
 */
export class EventStream {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onEvent: (data: string) => void;
  #rest = '';
  #data: string | undefined;

  /** @param onEvent  Gets one event's data, its lines joined by LF. What it throws leaves `write`. */
  constructor(onEvent: (data: string) => void) {
    this.#onEvent = onEvent;
  }

  write(bytes: Buffer): void {
    const text = this.#decoder.write(bytes);
    const buffered = this.#rest.length === 0 ? text : this.#rest + text;
    let start = 0;
    for (;;) {
      const end = buffered.indexOf('\n', start);
      if (end === -1) break;
      this.#line(
        buffered,
        start,
        end > start && buffered.charCodeAt(end - 1) === 13 ? end - 1 : end,
      );
      start = end + 1;
    }
    this.#rest = start === 0 ? buffered : buffered.slice(start);
  }

  /** Takes the last line and the last event, where the server forgot to end them. */
  end(): void {
    const last = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (last.length > 0) this.#line(last, 0, last.length);
    this.#dispatch();
  }

  #line(text: string, start: number, end: number): void {
    if (end === start) {
      this.#dispatch();
    } else if (text.startsWith('data:', start)) {
      const from = text.charCodeAt(start + 5) === 32 ? start + 6 : start + 5;
      const line = text.slice(Math.min(from, end), end);
      this.#data = this.#data === undefined ? line : `${this.#data}\n${line}`;
    }
  }

  #dispatch(): void {
    const data = this.#data;
    if (data === undefined) return;
    this.#data = undefined;
    this.#onEvent(data);
  }
}
