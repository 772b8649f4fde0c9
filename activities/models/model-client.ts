/**
 * What an activity asks of a model provider and what it gets back, whoever the provider is.
 *
 * Numbered invariants, which every implementation keeps:
 * 1. What is sent is `ModelRequest.body`, byte for byte: the prompt that was hashed is the prompt that was sent.
 * 2. A reply is whole or it is a failure. A stream that ends early is never returned as a short reply.
 * 3. One call is one HTTP request. Retries belong to the caller, who has reserved money for one attempt.
 * 4. An abort ends the HTTP request and rejects with the signal's own reason, unwrapped.
 */
import type { ModelUsage } from './model-usage.ts';

export interface ModelRequest {
  /** The exact HTTP body, UTF-8 JSON text: sent as is, whatever the client library would have serialised. */
  readonly body: string;
  /** Named in failures, and in the response where the provider names none. Not read from the body. */
  readonly model: string;
  /** Ends the attempt; the rejection is this signal's reason. */
  readonly signal: AbortSignal;
  /** Silence, in milliseconds, after which the attempt is given up. Counted from sending, then from the last byte. */
  readonly idleMs: number;
  /** Length of the whole attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** Called with each piece of reply text as it comes, in order. It must not throw. */
  readonly onDelta?: (text: string) => void;
  /** Called once, at the first byte of a successful response's body. It must not throw. */
  readonly onFirstByte?: () => void;
}

export interface ModelToolCall {
  /** As the provider says; `call_<position>` where it says none or repeats one. */
  readonly id: string;
  readonly name: string;
  /** What the model wrote, not parsed: it may be no JSON at all. Empty where it wrote nothing. */
  readonly argumentsText: string;
}

export interface ModelResponse {
  /** Empty when the model only called tools or refused. */
  readonly text: string;
  readonly refusal?: string;
  readonly toolCalls: readonly ModelToolCall[];
  /** The provider's word ('stop', 'tool_calls', 'length', 'content_filter' ...), 'unknown' where it gave none. */
  readonly finishReason: string;
  /** The model that answered, as the provider says. */
  readonly model: string;
  /** Missing where the provider told none: the caller then keeps its whole reservation. */
  readonly usage?: ModelUsage;
  readonly providerRequestId?: string;
  /** From sending to the first text, refusal or tool call. */
  readonly firstTokenMs?: number;
  /** From sending to the last byte that mattered. */
  readonly latencyMs: number;
}

export interface ModelClient {
  /** Its base URL: who is asked less often after a refusal. Default `default`. */
  readonly provider?: string;
  /** @throws ModelFailure for everything the provider or the network does; the signal's reason when it aborts. */
  call(request: ModelRequest): Promise<ModelResponse>;
}
