/** How one attempt is bounded, and whether and when another one follows it. */
import type { AttemptPolicy, RetryPolicy } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';

export interface AttemptBounds {
  /** Of this attempt: its own time, or what is left of all attempts'. */
  readonly timeoutMs: number;
  readonly attemptsMax: number;
  readonly retry: RetryPolicy;
  readonly policy: AttemptPolicy;
  /** Milliseconds since the epoch after which nothing more is tried. */
  readonly endsAtMs?: number;
}

/** Of a tool that says nothing of its attempts. */
const policyDefault: AttemptPolicy = { jitter: limits.toolRetryJitterFactor };

/** @param call `scheduledAtMs`: when its first attempt was put to work. */
export function boundsOf(
  call: {
    readonly timeoutMs: number;
    readonly attemptsMax: number;
    readonly scheduledAtMs: number;
  },
  tool: { readonly retry: RetryPolicy; readonly attempt?: AttemptPolicy },
  nowMs: number,
): AttemptBounds {
  const policy = tool.attempt ?? policyDefault;
  const bounds = {
    timeoutMs: call.timeoutMs,
    attemptsMax: call.attemptsMax,
    retry: tool.retry,
    policy,
  };
  if (policy.totalMs === undefined) return bounds;
  const endsAtMs = call.scheduledAtMs + policy.totalMs;
  const leftMs = Math.max(0, endsAtMs - nowMs);
  return { ...bounds, endsAtMs, timeoutMs: Math.min(call.timeoutMs, leftMs) };
}

/** Too little time is left for an attempt to do anything but time out. */
export function isTooLate(bounds: AttemptBounds, nowMs: number): boolean {
  return (
    bounds.endsAtMs !== undefined &&
    bounds.endsAtMs - nowMs < Math.min(limits.toolAttemptMsMin, (bounds.policy.totalMs ?? 0) / 2)
  );
}

/**
 * How long to wait before the next attempt, or undefined where this was the last: the attempts are
 * used up, or the next could not end within the time of all.
 *
 * @param made attempts so far, this one included.
 * @param atLeastMs what the next attempt has to wait for; `maxDelayMs` bounds that too.
 */
export function delayBeforeNext(
  bounds: AttemptBounds,
  made: number,
  now: { readonly ms: number; readonly random: number; readonly atLeastMs?: number },
): number | undefined {
  if (made >= bounds.attemptsMax) return undefined;
  const { firstDelayMs, factor, maxDelayMs } = bounds.retry;
  const wholeMs = Math.min(maxDelayMs, firstDelayMs * factor ** (made - 1));
  const jitteredMs = wholeMs * (1 - bounds.policy.jitter * now.random);
  const delayMs = Math.round(Math.max(jitteredMs, Math.min(now.atLeastMs ?? 0, maxDelayMs)));
  return isTooLate(bounds, now.ms + delayMs) ? undefined : delayMs;
}
