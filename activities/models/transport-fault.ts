import type { ModelUsage } from './model-usage.ts';

/** What can go wrong between the request and a whole reply, other than an HTTP status. */
export type TransportFaultKind = 'not-connected' | 'cut' | 'idle' | 'late' | 'malformed' | 'empty';

/** Raised by the adapter where it sees the fault itself, so that nothing has to be guessed from a foreign error. */
export class TransportFault extends Error {
  readonly kind: TransportFaultKind;
  /** The bill, where an otherwise useless reply came with one. */
  readonly usage: ModelUsage | undefined;
  readonly providerRequestId: string | undefined;
  /** What was thrown below. Not `cause`: the `openai` package reads "timed out" in causes, and then drops the error. */
  readonly origin: unknown;

  constructor(
    kind: TransportFaultKind,
    message: string,
    known: {
      origin?: unknown;
      usage?: ModelUsage | undefined;
      providerRequestId?: string | undefined;
    } = {},
  ) {
    super(message);
    this.origin = known.origin;
    this.name = 'TransportFault';
    this.kind = kind;
    this.usage = known.usage;
    this.providerRequestId = known.providerRequestId;
  }
}

/** An error that the provider wrote into a reply which had begun with status 200. */
export class StreamedError extends Error {
  /** The provider's `error` value, unread. */
  readonly error: unknown;
  readonly providerRequestId: string | undefined;

  constructor(error: unknown, providerRequestId: string | undefined) {
    super('The provider ended its reply with an error.');
    this.name = 'StreamedError';
    this.error = error;
    this.providerRequestId = providerRequestId;
  }
}
