import { APIConnectionError, APIConnectionTimeoutError, APIError } from 'openai';
import { describe, expect, test } from 'vitest';
import { classifyFailure } from '../../activities/models/classify-failure.ts';
import { ModelFailure } from '../../activities/models/model-failure.ts';
import { retryAfterMsFrom } from '../../activities/models/retry-after.ts';
import { TransportFault } from '../../activities/models/transport-fault.ts';
import { failureType } from '../../contracts/failures.ts';

const { modelUnreachable, modelReplyMalformed, modelTimedOut, credentialsRejected } = failureType;

function coded(code: string) {
  return Object.assign(new Error('fetch failed'), { code });
}

describe('what the client library lets out', () => {
  test.each([
    ['a bare SyntaxError', new SyntaxError('Unexpected token'), modelReplyMalformed, 'unknown'],
    ['a cut body', new TypeError('terminated'), modelUnreachable, 'unknown'],
    [
      'a cut body with its socket error',
      new TypeError('terminated', { cause: coded('UND_ERR_SOCKET') }),
      modelUnreachable,
      'unknown',
    ],
    [
      'a reset',
      new APIConnectionError({ cause: coded('ECONNRESET') }),
      modelUnreachable,
      'unknown',
    ],
    [
      'a refused connection',
      new APIConnectionError({
        cause: new TypeError('fetch failed', { cause: coded('ECONNREFUSED') }),
      }),
      modelUnreachable,
      'nothing',
    ],
    [
      'a name that nobody has',
      new APIConnectionError({ cause: coded('ENOTFOUND') }),
      modelUnreachable,
      'nothing',
    ],
    [
      'a slow connection',
      new APIConnectionError({ cause: coded('UND_ERR_CONNECT_TIMEOUT') }),
      modelUnreachable,
      'nothing',
    ],
    [
      'slow headers',
      new APIConnectionError({ cause: coded('UND_ERR_HEADERS_TIMEOUT') }),
      modelTimedOut,
      'unknown',
    ],
    ['a slow body', coded('UND_ERR_BODY_TIMEOUT'), modelTimedOut, 'unknown'],
    ['its own time-out', new APIConnectionTimeoutError(), modelTimedOut, 'unknown'],
    [
      'our fault in its wrapping',
      new APIConnectionError({ cause: new TransportFault('not-connected', 'x') }),
      modelUnreachable,
      'nothing',
    ],
    ['what is no error at all', 'boom', modelUnreachable, 'unknown'],
  ] as const)('%s is retryable', (...[, thrown, type, charge]) => {
    expect(classifyFailure(thrown, 'm')).toMatchObject({ type, charge, retryable: true });
  });

  test('a failure that is classified already stays as it is', () => {
    const failure = classifyFailure(new SyntaxError('x'), 'm');
    expect(classifyFailure(failure, 'other')).toBe(failure);
    expect(failure).toBeInstanceOf(ModelFailure);
  });

  test('message text decides nothing', () => {
    for (const message of [
      '429 rate limit',
      'context_length_exceeded',
      'insufficient_quota',
      '401 timed out',
    ]) {
      expect(classifyFailure(new Error(message), 'm')).toMatchObject({
        type: modelUnreachable,
        contextOverflow: false,
      });
    }
  });

  test('a code that says more than its status wins, and an inherited name is no code', () => {
    const status = (code: string) =>
      APIError.generate(429, { error: { code, message: 'm' } }, undefined, new Headers());
    expect(classifyFailure(status('insufficient_quota'), 'm')).toMatchObject({
      type: credentialsRejected,
      retryable: false,
      charge: 'nothing',
    });
    expect(classifyFailure(status('constructor'), 'm')).toMatchObject({
      type: failureType.modelRateLimited,
      retryable: true,
    });
  });

  test('a chain of causes that bites its tail is walked to an end', () => {
    const error = new Error('a');
    error.cause = error;
    expect(classifyFailure(error, 'm').type).toBe(modelUnreachable);
  });
});

describe('the wait that a provider asks for', () => {
  const now = Date.parse('2026-11-22T12:00:00Z');
  test.each<[Record<string, string>, number | undefined]>([
    [{}, undefined],
    [{ 'retry-after-ms': '250.5' }, 251],
    [{ 'retry-after-ms': '0', 'retry-after': '3' }, undefined],
    [{ 'retry-after-ms': 'x', 'retry-after': '3' }, 3_000],
    [{ 'retry-after': '1.5' }, 1_500],
    [{ 'retry-after': '61' }, 60_000],
    [{ 'retry-after': 'Sun, 22 Nov 2026 12:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Sun, 22 Nov 2026 11:00:00 GMT' }, undefined],
    [{ 'retry-after': '-1' }, undefined],
    [{ 'retry-after': 'NaN' }, undefined],
    [{ 'retry-after-ms': 'Infinity' }, 60_000],
  ])('%o is %s ms', (headers, expected) => {
    expect(retryAfterMsFrom(new Headers(headers), now)).toBe(expected);
  });
});
