import type { FailureType } from '../../contracts/failures.ts';
import type { ModelUsage } from './model-usage.ts';

/** The most of a provider's own words that a failure carries, in characters. */
export const failureDetailCharsMax = 500;

export interface ModelFailureFields {
  readonly type: FailureType;
  /** True where the same request may succeed later. The number of attempts is the caller's. */
  readonly retryable: boolean;
  /** What the provider asked for, in milliseconds, at most 60 s. */
  readonly retryAfterMs?: number | undefined;
  /** HTTP status, where there was one. */
  readonly status?: number | undefined;
  readonly providerRequestId?: string | undefined;
  /**
   * What may have been charged: 'nothing' (refused before work: 4xx, 429, never connected) or 'unknown'
   * (5xx after sending, cut stream, time-out, abort).
   */
  readonly charge: 'nothing' | 'unknown';
  /** The provider's own bill, where a useless reply came with one. It settles an 'unknown' charge exactly. */
  readonly usage?: ModelUsage | undefined;
  /** The prompt is longer than the model reads: compact it and ask again. */
  readonly contextOverflow: boolean;
  /** The provider's words, for the journal. They are foreign text: never into history, a prompt or a log line. */
  readonly detail: string;
}

/** A model call that brought no reply, classified once at the edge. Its message holds none of the provider's words. */
export class ModelFailure extends Error implements ModelFailureFields {
  readonly type: FailureType;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;
  readonly providerRequestId: string | undefined;
  readonly charge: 'nothing' | 'unknown';
  readonly usage: ModelUsage | undefined;
  readonly contextOverflow: boolean;
  readonly detail: string;

  constructor(message: string, fields: ModelFailureFields, options?: ErrorOptions) {
    super(message, options);
    this.name = fields.type;
    this.type = fields.type;
    this.retryable = fields.retryable;
    this.retryAfterMs = fields.retryAfterMs;
    this.status = fields.status;
    this.providerRequestId = fields.providerRequestId;
    this.charge = fields.charge;
    this.usage = fields.usage;
    this.contextOverflow = fields.contextOverflow;
    this.detail = fields.detail.slice(0, failureDetailCharsMax);
  }
}
