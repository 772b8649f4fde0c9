import { APIConnectionTimeoutError, APIError } from 'openai';
import {
  isContextOverflow,
  verdictForCodes,
  verdictForFault,
  verdictForStatus,
  type Verdict,
} from './failure-verdicts.ts';
import { ModelFailure, type ModelFailureFields } from './model-failure.ts';
import { retryAfterMsFrom } from './retry-after.ts';
import { StreamedError, TransportFault, type TransportFaultKind } from './transport-fault.ts';

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

const causeDepthMax = 8;

/**
 * Says of anything that a model call threw who acts next and what it may have cost. Never matches on message text.
 *
 * An error that is not known at all is taken for a transport fault: the `openai` package lets a bare `SyntaxError`
 * or `TypeError` out where a body is broken, and a retry that is bounded costs less than a run that is failed.
 * Aborts do not come here: their reason passes through as it is.
 */
export function classifyFailure(thrown: unknown, model: string, now = Date.now()): ModelFailure {
  if (thrown instanceof ModelFailure) return thrown;
  const { verdict, fields } = judge(thrown, now);
  const { type, retryable, charge, says } = verdict;
  const status = fields.status === undefined ? '' : ` (HTTP ${fields.status})`;
  const message = `The provider of ${model} ${says}${status}.`;
  return new ModelFailure(message, { type, retryable, charge, ...fields }, { cause: thrown });
}

interface Judgement {
  readonly verdict: Verdict;
  readonly fields: Omit<ModelFailureFields, 'type' | 'retryable' | 'charge'>;
}

function judge(thrown: unknown, now: number): Judgement {
  const fault = faultWithin(thrown);
  if (fault !== undefined) {
    const { providerRequestId, usage } = fault;
    const fields = { providerRequestId, usage, contextOverflow: false, detail: detailOf(fault) };
    return { verdict: verdictForFault(fault.kind), fields };
  }
  if (thrown instanceof StreamedError) return judgeStreamed(thrown);
  if (thrown instanceof APIError && thrown.status !== undefined) return judgeStatus(thrown, now);
  return {
    verdict: verdictForFault(faultKindOf(thrown)),
    fields: { contextOverflow: false, detail: detailOf(thrown) },
  };
}

function judgeStatus(thrown: APIError, now: number): Judgement {
  const status = thrown.status as number;
  const headers = thrown.headers as Headers | undefined;
  const codes = [thrown.code, thrown.type];
  const byStatus = verdictForStatus(status);
  const byCode = status < 500 ? verdictForCodes(codes, byStatus.charge) : undefined;
  const verdict = byCode ?? byStatus;
  // The provider's own word on retrying beats our table, as it does in the `openai` package.
  const wish = headers?.get('x-should-retry');
  return {
    verdict: {
      ...verdict,
      retryable: wish === 'true' || (wish !== 'false' && verdict.retryable),
    },
    fields: {
      retryAfterMs: headers === undefined ? undefined : retryAfterMsFrom(headers, now),
      status,
      providerRequestId: headers?.get('x-request-id') ?? undefined,
      contextOverflow: isContextOverflow(codes),
      detail: detailOf(thrown.error ?? thrown),
    },
  };
}

/**
 * After status 200 work has begun, so the charge is unknown whatever the error says. Its `code` may be a status; its
 * type 'invalid_request_error' is looked at here only, since with a status OpenAI gives it to a 401 as well.
 */
function judgeStreamed({ error, providerRequestId }: StreamedError): Judgement {
  const { code, type } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    type?: unknown;
  };
  const contextOverflow = isContextOverflow([code, type]);
  const isRefusal = contextOverflow || type === 'invalid_request_error';
  const status = typeof code === 'number' && code >= 400 && code < 600 ? code : undefined;
  const verdict =
    verdictForCodes([code, type], 'unknown') ?? verdictForStatus(status ?? (isRefusal ? 400 : 500));
  return {
    verdict: { ...verdict, charge: 'unknown' },
    fields: { status, providerRequestId, contextOverflow, detail: detailOf(error) },
  };
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
  if (thrown instanceof APIConnectionTimeoutError) return 'late';
  let current = thrown;
  for (let depth = 0; depth < causeDepthMax && current instanceof Error; depth++) {
    const code = (current as NodeJS.ErrnoException).code;
    if (typeof code === 'string' && neverConnectedCodes.has(code)) return 'not-connected';
    if (typeof code === 'string' && timedOutCodes.has(code)) return 'late';
    current = current.cause;
  }
  return thrown instanceof SyntaxError ? 'malformed' : 'cut';
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
