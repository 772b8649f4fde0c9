/** Temporal's own shapes as plain values that can be compared and read. */
import type { Payload } from '@temporalio/common/lib/proto-utils.js';

interface LongLike {
  toNumber(): number;
}
type Whole = number | LongLike | null | undefined;

export const toNumber = (value: Whole): number =>
  typeof value === 'number' ? value : (value?.toNumber() ?? 0);

export const toMs = (
  duration: { readonly seconds?: Whole; readonly nanos?: number | null } | null | undefined,
): number => toNumber(duration?.seconds) * 1000 + (duration?.nanos ?? 0) / 1_000_000;

/** What is stored, decoded. What is not JSON is shown in base64 with its encoding. */
export function toValue(payload: Payload | null | undefined): unknown {
  if (payload == null) return undefined;
  const encoding = textOf(payload.metadata?.['encoding']);
  if (encoding === 'binary/null') return null;
  if (encoding === 'json/plain')
    try {
      return JSON.parse(textOf(payload.data)) as unknown;
    } catch {
      return { encoding, notJson: textOf(payload.data) };
    }
  return { encoding, base64: Buffer.from(payload.data ?? []).toString('base64') };
}

const textOf = (bytes: Uint8Array | null | undefined): string =>
  Buffer.from(bytes ?? []).toString('utf8');

export const toValues = (payloads: readonly Payload[] | null | undefined): readonly unknown[] =>
  (payloads ?? []).map(toValue);

export const toValueMap = (
  payloads: { readonly [name: string]: Payload } | null | undefined,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(payloads ?? {}).map(([name, one]) => [name, toValue(one)]));

/** Without those that Temporal itself keeps up to date. */
export const toSearchAttributes = (
  attributes:
    | { readonly indexedFields?: { readonly [name: string]: Payload } | null }
    | null
    | undefined,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(toValueMap(attributes?.indexedFields)).filter(
      // Which build carries a run out is a worker's affair, and no decision of its workflow.
      ([name]) => !name.startsWith('Temporal') && name !== 'BuildIds',
    ),
  );

interface Metadata {
  readonly summary?: Payload | null;
  readonly details?: Payload | null;
}
export const toSummary = (
  metadata: Metadata | null | undefined,
): { readonly summary: unknown; readonly details: unknown } => ({
  summary: toValue(metadata?.summary),
  details: toValue(metadata?.details),
});

interface RetryPolicy {
  readonly initialInterval?: Parameters<typeof toMs>[0];
  readonly backoffCoefficient?: number | null;
  readonly maximumInterval?: Parameters<typeof toMs>[0];
  readonly maximumAttempts?: number | null;
  readonly nonRetryableErrorTypes?: readonly string[] | null;
}

/** With the server's defaults for what is not set, as it records them. */
export function toRetryPolicy(policy: RetryPolicy | null | undefined): unknown {
  if (policy == null) return undefined;
  const initialIntervalMs = toMs(policy.initialInterval) || 1_000;
  return {
    initialIntervalMs,
    backoffCoefficient: policy.backoffCoefficient || 2,
    maximumIntervalMs: toMs(policy.maximumInterval) || 100 * initialIntervalMs,
    maximumAttempts: policy.maximumAttempts ?? 0,
    nonRetryableErrorTypes: [...(policy.nonRetryableErrorTypes ?? [])],
  };
}

interface Failure {
  readonly message?: string | null;
  readonly cause?: Failure | null;
  readonly applicationFailureInfo?: {
    readonly type?: string | null;
    readonly nonRetryable?: boolean | null;
    readonly details?: { readonly payloads?: readonly Payload[] | null } | null;
    readonly nextRetryDelay?: Parameters<typeof toMs>[0];
    readonly category?: number | null;
  } | null;
}

/** Without its stack trace, which names files of the day. */
export function toFailure(failure: Failure | null | undefined): unknown {
  if (failure == null) return undefined;
  const info = failure.applicationFailureInfo;
  return {
    message: failure.message ?? '',
    type: info?.type ?? undefined,
    nonRetryable: info?.nonRetryable ?? false,
    nextRetryDelayMs: toMs(info?.nextRetryDelay),
    category: info?.category ?? 0,
    details: toValues(info?.details?.payloads),
    cause: toFailure(failure.cause),
  };
}
