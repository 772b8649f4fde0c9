import type { RetryPolicy } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import type { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';

/** More than a hundredfold per attempt is a typing mistake. */
const retryFactorMax = 100;
const known = ['attempts', 'firstDelay', 'factor', 'maxDelay'];

/** The retry policy of one tool, with the defaults of `limits` where it says nothing. */
export function readRetry(value: unknown, read: FieldReader, mistakes: Mistakes): RetryPolicy {
  const retry = read.object('retry', value);
  checkKeys(retry, { where: 'retry.', known }, mistakes);
  const delay = (key: string) => read.duration(`retry.${key}`, retry[key], 'toolRetryDelayMsMax');
  const firstDelayMs = delay('firstDelay') ?? limits.toolRetryFirstDelayMs;
  const maxDelayMs = delay('maxDelay');
  if (maxDelayMs !== undefined && maxDelayMs < firstDelayMs) {
    mistakes.add(
      `\`retry.maxDelay\` (${maxDelayMs} ms) is shorter than the first delay (${firstDelayMs} ms)`,
    );
  }
  return {
    attempts:
      read.count('retry.attempts', retry['attempts'], 'toolAttemptsMax') ??
      limits.toolAttemptsDefault,
    firstDelayMs,
    factor:
      read.number('retry.factor', retry['factor'], { min: 1, max: retryFactorMax }) ??
      limits.toolRetryFactor,
    maxDelayMs: maxDelayMs ?? Math.max(limits.toolRetryMaxDelayMs, firstDelayMs),
  };
}
