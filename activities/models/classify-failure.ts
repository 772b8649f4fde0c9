import { APIError } from 'openai';
import { failureType, type FailureType } from '../../contracts/failures.ts';
import { ModelFailure, type ModelFailureFields } from './model-failure.ts';
import { retryAfterMsFrom } from './retry-after.ts';
import { StreamedError, TransportFault, type TransportFaultKind } from './transport-fault.ts';

interface Verdict {
  readonly type: FailureType;
  readonly retryable: boolean;
  readonly charge: 'nothing' | 'unknown';
  /** For the message: what happened, in our words. */
  readonly says: string;
}

const nothing = { charge: 'nothing' } as const;
const unknown = { charge: 'unknown' } as const;
const { modelOverloaded, modelRateLimited, modelUnreachable, modelReplyMalformed, modelTimedOut } =
  failureType;
const { modelRequestRejected, credentialsRejected } = failureType;

/** A 4xx is an answer given instead of work; a 5xx may come after the work, so its cost is not known. */
const verdictByStatus: Readonly<Record<number, Verdict>> = {
  400: { type: modelRequestRejected, retryable: false, ...nothing, says: 'refused the request' },
  401: { type: credentialsRejected, retryable: false, ...nothing, says: 'refused the API key' },
  402: { type: credentialsRejected, retryable: false, ...nothing, says: 'asks for payment' },
  403: {
    type: credentialsRejected,
    retryable: false,
    ...nothing,
    says: 'does not allow this to the API key',
  },
  404: {
    type: modelRequestRejected,
    retryable: false,
    ...nothing,
    says: 'knows no such model or path',
  },
  408: {
    type: modelTimedOut,
    retryable: true,
    ...nothing,
    says: 'gave up waiting for the request',
  },
  409: { type: modelOverloaded, retryable: true, ...nothing, says: 'could not get a lock' },
  422: { type: modelRequestRejected, retryable: false, ...nothing, says: 'refused the request' },
  429: { type: modelRateLimited, retryable: true, ...nothing, says: 'asks for fewer requests' },
  504: { type: modelTimedOut, retryable: true, ...unknown, says: 'timed out behind its gateway' },
};
/** Redirects and the like: a wrong base URL. Followed nowhere, for the API key would go along. */
const unlistedAnswer: Verdict = {
  type: modelRequestRejected,
  retryable: false,
  ...nothing,
  says: 'did not take the request',
};
const unlistedClientError: Verdict = {
  type: modelRequestRejected,
  retryable: false,
  ...nothing,
  says: 'refused the request',
};
const unlistedServerError: Verdict = {
  type: modelOverloaded,
  retryable: true,
  ...unknown,
  says: 'failed on its side',
};

/**
 * Structured `code` or `type` values of an error body that say more than its status. They change who acts next, and
 * never what was charged.
 */
const verdictByCode: Readonly<Record<string, Omit<Verdict, 'charge'>>> = {
  // OpenAI sends these with 429, but waiting does not refill an account.
  insufficient_quota: {
    type: credentialsRejected,
    retryable: false,
    says: 'has no credit left for the API key',
  },
  billing_hard_limit_reached: {
    type: credentialsRejected,
    retryable: false,
    says: 'has no credit left for the API key',
  },
  invalid_api_key: { type: credentialsRejected, retryable: false, says: 'refused the API key' },
  rate_limit_exceeded: { type: modelRateLimited, retryable: true, says: 'asks for fewer requests' },
};
/** Only for an error inside a reply, which has no status: with one, OpenAI's 401 has this type as well. */
const streamedRefusal = {
  type: modelRequestRejected,
  retryable: false,
  says: 'refused the request',
} as const;

/** OpenAI and those who copy it use the first, as `code`; llama.cpp's server the second, as `type`. */
const contextOverflowCodes: ReadonlySet<unknown> = new Set([
  'context_length_exceeded',
  'exceed_context_size_error',
]);

const verdictByFault: Readonly<Record<TransportFaultKind, Verdict>> = {
  'not-connected': {
    type: modelUnreachable,
    retryable: true,
    ...nothing,
    says: 'could not be connected to',
  },
  cut: {
    type: modelUnreachable,
    retryable: true,
    ...unknown,
    says: 'was cut off before its reply was whole',
  },
  idle: { type: modelTimedOut, retryable: true, ...unknown, says: 'fell silent' },
  late: {
    type: modelTimedOut,
    retryable: true,
    ...unknown,
    says: 'took longer than one attempt may',
  },
  malformed: {
    type: modelReplyMalformed,
    retryable: true,
    ...unknown,
    says: 'sent what is not a reply',
  },
  empty: {
    type: modelReplyMalformed,
    retryable: true,
    ...unknown,
    says: 'sent neither text, refusal nor tool call',
  },
};

/** Errno and undici codes which say that no byte of the request left: nothing can have been charged. */
const neverConnectedCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EMFILE',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);
const timedOutCodes: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
]);

/**
 * Says of anything that a model call threw who acts next and what it may have cost. Never matches on message text.
 *
 * An error that is not known at all is taken for a transport fault: the `openai` package lets a bare `SyntaxError`
 * or `TypeError` out where a body is broken, and a retry that is bounded costs less than a run that is failed.
 * Aborts do not come here: their reason passes through as it is.
 */
export function classifyFailure(thrown: unknown, model: string, now = Date.now()): ModelFailure {
  if (thrown instanceof ModelFailure) return thrown;
  const fault = faultWithin(thrown);
  if (fault !== undefined) {
    return failure(
      model,
      verdictByFault[fault.kind],
      {
        providerRequestId: fault.providerRequestId,
        usage: fault.usage,
        contextOverflow: false,
        detail: detailOf(fault),
      },
      thrown,
    );
  }
  if (thrown instanceof StreamedError) return classifyStreamed(thrown, model);
  if (thrown instanceof APIError && thrown.status !== undefined)
    return classifyStatus(thrown, model, now);
  return failure(
    model,
    verdictByFault[faultKindOf(thrown)],
    { contextOverflow: false, detail: detailOf(thrown) },
    thrown,
  );
}

function classifyStatus(thrown: APIError, model: string, now: number): ModelFailure {
  const status = thrown.status as number;
  const headers: Headers | undefined = thrown.headers;
  const codes = [thrown.code, thrown.type];
  const byStatus = verdictForStatus(status);
  const verdict = { ...byStatus, ...(status < 500 ? verdictForCodes(codes) : undefined) };
  const wish = headers?.get('x-should-retry');
  return failure(
    model,
    verdict,
    {
      retryable: wish === 'true' || (wish !== 'false' && verdict.retryable),
      retryAfterMs: headers === undefined ? undefined : retryAfterMsFrom(headers, now),
      status,
      providerRequestId: headers?.get('x-request-id') ?? undefined,
      contextOverflow: codes.some((code) => contextOverflowCodes.has(code)),
      detail: detailOf(thrown.error ?? thrown),
    },
    thrown,
  );
}

/** After status 200 work has begun, so the charge is unknown whatever the error says. */
function classifyStreamed(thrown: StreamedError, model: string): ModelFailure {
  const { code, type } = (
    typeof thrown.error === 'object' && thrown.error !== null ? thrown.error : {}
  ) as {
    code?: unknown;
    type?: unknown;
  };
  const status = typeof code === 'number' && code >= 400 && code < 600 ? code : undefined;
  const byStatus = status === undefined ? unlistedServerError : verdictForStatus(status);
  const contextOverflow = contextOverflowCodes.has(code) || contextOverflowCodes.has(type);
  const isRefusal = contextOverflow || type === 'invalid_request_error';
  const byCode = verdictForCodes([code, type]) ?? (isRefusal ? streamedRefusal : undefined);
  return failure(
    model,
    { ...byStatus, ...byCode, ...unknown },
    {
      status,
      providerRequestId: thrown.providerRequestId,
      contextOverflow,
      detail: detailOf(thrown.error),
    },
    thrown,
  );
}

function verdictForStatus(status: number): Verdict {
  return (
    verdictByStatus[status] ??
    (status < 400 ? unlistedAnswer : status < 500 ? unlistedClientError : unlistedServerError)
  );
}

function verdictForCodes(codes: readonly unknown[]): Omit<Verdict, 'charge'> | undefined {
  for (const code of codes) {
    if (typeof code === 'string' && Object.hasOwn(verdictByCode, code)) return verdictByCode[code];
  }
  return undefined;
}

/** The `openai` package wraps what its fetch throws; the walk is short and bounded. */
function faultWithin(thrown: unknown): TransportFault | undefined {
  let current = thrown;
  for (let depth = 0; depth < causeDepthMax && current instanceof Error; depth++) {
    if (current instanceof TransportFault) return current;
    current = current.cause;
  }
  return undefined;
}

function faultKindOf(thrown: unknown): TransportFaultKind {
  let current = thrown;
  for (let depth = 0; depth < causeDepthMax && current instanceof Error; depth++) {
    const code = (current as NodeJS.ErrnoException).code;
    if (typeof code === 'string' && neverConnectedCodes.has(code)) return 'not-connected';
    if (typeof code === 'string' && timedOutCodes.has(code)) return 'late';
    current = current.cause;
  }
  return thrown instanceof SyntaxError ? 'malformed' : 'cut';
}

const causeDepthMax = 8;

function failure(
  model: string,
  verdict: Verdict,
  fields: Omit<ModelFailureFields, 'type' | 'retryable' | 'charge'> & {
    readonly retryable?: boolean;
  },
  cause: unknown,
): ModelFailure {
  const { type, retryable, charge, says } = verdict;
  const status = fields.status === undefined ? '' : ` (HTTP ${fields.status})`;
  const message = `The provider of ${model} ${says}${status}.`;
  return new ModelFailure(
    message,
    { ...fields, type, retryable: fields.retryable ?? retryable, charge },
    { cause },
  );
}

function detailOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) {
    const below = value instanceof TransportFault ? value.origin : value.cause;
    return below instanceof Error ? `${value.message} ${below.message}` : value.message;
  }
  const { message } = (typeof value === 'object' && value !== null ? value : {}) as {
    message?: unknown;
  };
  return typeof message === 'string' ? message : (JSON.stringify(value) ?? '');
}
