import type { ModelToolCall } from './model-client.ts';
import { usageFrom, type ModelUsage } from './model-usage.ts';

/** A reply as far as it has come. */
export interface AssembledReply {
  readonly text: string;
  readonly refusal: string | undefined;
  readonly toolCalls: readonly ModelToolCall[];
  readonly finishReason: string | undefined;
  readonly model: string | undefined;
  readonly usage: ModelUsage | undefined;
}

interface WireToolCall {
  readonly index?: unknown;
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown } | null;
}

interface WireMessage {
  readonly content?: unknown;
  readonly refusal?: unknown;
  readonly tool_calls?: readonly WireToolCall[] | null;
}

/** One event of a stream, or a whole answer: they differ in `delta` and `message` only. Nothing in it is trusted. */
export interface WireReply {
  readonly model?: unknown;
  readonly usage?: unknown;
  readonly error?: unknown;
  readonly choices?:
    | readonly {
        readonly delta?: WireMessage | null;
        readonly message?: WireMessage | null;
        readonly finish_reason?: unknown;
      }[]
    | null;
}

interface Slot {
  readonly index: number;
  id: string;
  name: string;
  argumentsText: string;
}

/**
 * Puts a reply together from the events of a stream, or from one whole answer.
 *
 * It is as tolerant as the providers are various: ids, indexes, usage and finish reasons may be missing, usage may
 * come with or after the choices, choices may be empty. Only the first choice is read: we never ask for more.
 */
export class ReplyAssembly {
  #text = '';
  #refusal = '';
  #finishReason: string | undefined;
  #model: string | undefined;
  #usage: ModelUsage | undefined;
  readonly #slots: Slot[] = [];

  /** Adds one event and returns the text that it brought. `isContent` tells whether anything of the reply came. */
  add(event: WireReply): { readonly text: string; readonly isContent: boolean } {
    if (typeof event.model === 'string' && event.model !== '') this.#model = event.model;
    // The last bill stands: some providers send a running total with every event.
    if (event.usage !== undefined && event.usage !== null)
      this.#usage = usageFrom(event.usage) ?? this.#usage;
    const choice = event.choices?.[0];
    if (choice === undefined || choice === null) return nothing;
    if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '')
      this.#finishReason = choice.finish_reason;
    const message = choice.delta ?? choice.message;
    if (message === undefined || message === null) return nothing;
    const text = textOf(message.content);
    this.#text += text;
    const refusal = typeof message.refusal === 'string' ? message.refusal : '';
    this.#refusal += refusal;
    const calls = Array.isArray(message.tool_calls) ? message.tool_calls : [];
    for (const call of calls) this.#addToolCall(call);
    return { text, isContent: text !== '' || refusal !== '' || calls.length > 0 };
  }

  get isFinished(): boolean {
    return this.#finishReason !== undefined;
  }

  /** The reply so far. Whether it is whole is for the reader of the stream to say. */
  reply(): AssembledReply {
    const seen = new Set<string>();
    const toolCalls = this.#slots
      .toSorted((a, b) => a.index - b.index)
      .map(({ id, name, argumentsText }, position) => {
        const unique = id === '' || seen.has(id) ? `call_${position}` : id;
        seen.add(unique);
        return { id: unique, name, argumentsText };
      });
    return {
      text: this.#text,
      refusal: this.#refusal === '' ? undefined : this.#refusal,
      toolCalls,
      finishReason: this.#finishReason,
      model: this.#model,
      usage: this.#usage,
    };
  }

  #addToolCall(call: WireToolCall): void {
    const id = typeof call.id === 'string' ? call.id : '';
    const name = typeof call.function?.name === 'string' ? call.function.name : '';
    const slot = this.#slotFor(call.index, id, name);
    // The first name stands: some providers repeat it with every piece.
    if (slot.name === '') slot.name = name;
    if (slot.id === '') slot.id = id;
    const args = call.function?.arguments;
    if (typeof args === 'string') slot.argumentsText += args;
    else if (typeof args === 'object' && args !== null) slot.argumentsText += JSON.stringify(args);
  }

  /**
   * A piece belongs to the call with its index. Some gateways leave the index out, or number every parallel call 0:
   * there, another id or a name begins another call, and later pieces go to the newest of that number.
   */
  #slotFor(index: unknown, id: string, name: string): Slot {
    const numbered = typeof index === 'number' && Number.isSafeInteger(index) && index >= 0;
    const known = numbered
      ? this.#slots.findLast((slot) => slot.index === index)
      : id === '' && name !== ''
        ? undefined
        : this.#slots.findLast((slot) => id === '' || slot.id === id);
    const isOther = known !== undefined && id !== '' && known.id !== '' && known.id !== id;
    if (known !== undefined && !isOther) return known;
    const next = this.#slots.reduce((max, slot) => Math.max(max, slot.index), -1) + 1;
    const slot: Slot = { index: numbered ? index : next, id: '', name: '', argumentsText: '' };
    this.#slots.push(slot);
    return slot;
  }
}

const nothing = { text: '', isContent: false } as const;

/** Content is a string, or for some providers a list of parts, of which the text parts count. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: { type?: unknown; text?: unknown } | null) =>
      part?.type === 'text' && typeof part.text === 'string' ? part.text : '',
    )
    .join('');
}
