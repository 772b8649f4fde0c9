import { failureType, type FailureType } from '../../contracts/failures.ts';
import type { TransportFaultKind } from './transport-fault.ts';

/** Who acts next, what it may have cost, and for the message what happened, in our words. */
export interface Verdict {
  readonly type: FailureType;
  readonly retryable: boolean;
  readonly charge: 'nothing' | 'unknown';
  readonly says: string;
}

type Row = readonly [
  type: FailureType,
  then: 'retry' | 'stop',
  charge: Verdict['charge'],
  says: string,
];

function verdict([type, then, charge, says]: Row): Verdict {
  return { type, retryable: then === 'retry', charge, says };
}

const t = failureType;

/** A 4xx is an answer given instead of work; a 5xx may come after the work, so its cost is not known. */
const rowByStatus: Readonly<Record<number, Row>> = {
  400: [t.modelRequestRejected, 'stop', 'nothing', 'refused the request'],
  401: [t.credentialsRejected, 'stop', 'nothing', 'refused the API key'],
  402: [t.credentialsRejected, 'stop', 'nothing', 'asks for payment'],
  403: [t.credentialsRejected, 'stop', 'nothing', 'does not allow this to the API key'],
  404: [t.modelRequestRejected, 'stop', 'nothing', 'knows no such model or path'],
  408: [t.modelTimedOut, 'retry', 'nothing', 'gave up waiting for the request'],
  409: [t.modelOverloaded, 'retry', 'nothing', 'could not get a lock'],
  422: [t.modelRequestRejected, 'stop', 'nothing', 'refused the request'],
  429: [t.modelRateLimited, 'retry', 'nothing', 'asks for fewer requests'],
  504: [t.modelTimedOut, 'retry', 'unknown', 'timed out behind its gateway'],
};

/** Below 400: a redirect, so a wrong base URL. Followed nowhere, for the API key would go along. */
const unlistedAnswer: Row = [
  t.modelRequestRejected,
  'stop',
  'nothing',
  'did not take the request here',
];
const unlistedClientError: Row = [t.modelRequestRejected, 'stop', 'nothing', 'refused the request'];
const unlistedServerError: Row = [t.modelOverloaded, 'retry', 'unknown', 'failed on its side'];

export function verdictForStatus(status: number): Verdict {
  const listed = rowByStatus[status];
  if (listed !== undefined) return verdict(listed);
  if (status < 400) return verdict(unlistedAnswer);
  return verdict(status < 500 ? unlistedClientError : unlistedServerError);
}

const rowByFault: Readonly<Record<TransportFaultKind, Row>> = {
  'not-connected': [t.modelUnreachable, 'retry', 'nothing', 'could not be connected to'],
  cut: [t.modelUnreachable, 'retry', 'unknown', 'was cut off before its reply was whole'],
  idle: [t.modelTimedOut, 'retry', 'unknown', 'fell silent'],
  late: [t.modelTimedOut, 'retry', 'unknown', 'took longer than one attempt may'],
  malformed: [t.modelReplyMalformed, 'retry', 'unknown', 'sent what is not a reply'],
  empty: [t.modelReplyMalformed, 'retry', 'unknown', 'sent neither text, refusal nor tool call'],
};

export function verdictForFault(kind: TransportFaultKind): Verdict {
  return verdict(rowByFault[kind]);
}

/**
 * Structured `code` or `type` values of an error body that say more than its status. They change who acts next; what
 * was charged stays what the status says.
 */
const rowByCode: ReadonlyMap<unknown, Row> = new Map<unknown, Row>([
  // OpenAI sends the first two with 429, but waiting does not refill an account.
  ['insufficient_quota', [t.credentialsRejected, 'stop', 'nothing', 'has no credit left']],
  ['billing_hard_limit_reached', [t.credentialsRejected, 'stop', 'nothing', 'has no credit left']],
  ['invalid_api_key', [t.credentialsRejected, 'stop', 'nothing', 'refused the API key']],
  ['rate_limit_exceeded', [t.modelRateLimited, 'retry', 'nothing', 'asks for fewer requests']],
]);

export function verdictForCodes(
  codes: readonly unknown[],
  charge: Verdict['charge'],
): Verdict | undefined {
  const row = codes.map((code) => rowByCode.get(code)).find((found) => found !== undefined);
  return row === undefined ? undefined : { ...verdict(row), charge };
}

/** OpenAI and those who copy it use the first, as `code`; llama.cpp's server the second, as `type`. */
const contextOverflowCodes: ReadonlySet<unknown> = new Set([
  'context_length_exceeded',
  'exceed_context_size_error',
]);

export function isContextOverflow(codes: readonly unknown[]): boolean {
  return codes.some((code) => contextOverflowCodes.has(code));
}
