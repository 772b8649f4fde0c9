import { toolErrorCode } from '../contracts/agent-run.ts';
import type { AttemptPolicy, RetryPolicy } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import { inWords } from './duration.ts';
import type { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import { readNames } from './read-names.ts';
import { show } from './show.ts';

/** More than a hundredfold per attempt is a typing mistake. */
const retryFactorMax = 100;
const known = ['attempts', 'firstDelay', 'factor', 'maxDelay', 'jitter', 'within', 'not'];
const ownCode = /^[a-z0-9_]{1,64}$/;

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

/**
 * How one attempt and the delays are bounded, where a tool says anything of it.
 *
 * @param timeoutMs of the longest attempt that the tool can have.
 */
export function readAttempt(
  fields: Readonly<Record<string, unknown>>,
  timeoutMs: number,
  read: FieldReader,
  mistakes: Mistakes,
): AttemptPolicy | undefined {
  const retryField = fields['retry'];
  // What is no object was named by `readRetry`.
  const retry = (typeof retryField === 'object' ? (retryField ?? {}) : {}) as Record<
    string,
    unknown
  >;
  const jitter = read.number('retry.jitter', retry['jitter'], { min: 0, max: 1 });
  const totalMs = read.duration('retry.within', retry['within'], 'toolWithinMsMax');
  const notRetried = readNotRetried(retry['not'], mistakes);
  const heartbeatMs = read.duration('heartbeat', fields['heartbeat'], 'toolMsMax');
  if (heartbeatMs !== undefined && heartbeatMs >= timeoutMs) {
    mistakes.add(
      `\`heartbeat\` (${inWords(heartbeatMs)}) must be shorter than an attempt's \`timeout\` (${inWords(timeoutMs)}), or it ends nothing`,
    );
  }
  if ([jitter, totalMs, notRetried, heartbeatMs].every((value) => value === undefined)) {
    return undefined;
  }
  return {
    jitter: jitter ?? limits.toolRetryJitterFactor,
    ...(totalMs === undefined ? {} : { totalMs }),
    ...(notRetried === undefined ? {} : { notRetried }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
  };
}

function readNotRetried(value: unknown, mistakes: Mistakes): readonly string[] | undefined {
  const codes = readNames(
    'retry.not',
    value,
    { max: 'toolErrorCodesMax', chars: 'toolNameCharsMax' },
    mistakes,
  );
  for (const code of codes ?? []) {
    if (!ownCode.test(code)) {
      mistakes.add(
        `\`retry.not\`: ${show(code)} must be 1 to 64 of a-z, 0-9 and _, for example 'order_not_found'`,
      );
    } else if ((Object.values(toolErrorCode) as string[]).includes(code)) {
      mistakes.add(
        `\`retry.not\`: '${code}' is a code of Belayer; only the tool's own can be named`,
      );
    }
  }
  return codes;
}
