/** What one attempt of an effect leaves behind it, and who acts next. */
import { isExhausted, wayOut } from './tool-attempt.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';
import type { ToolOutcome } from './tool-outcome.ts';

export interface EffectVerdict {
  /** `open`: nothing happened, and the position is free for another attempt or another tool. */
  readonly state: 'done' | 'open' | 'unknown';
  readonly next: 'retry' | 'verify' | 'ask' | 'fallback' | 'escalate';
  /** Set where another attempt follows. */
  readonly delayMs?: number;
}

/**
 * 1. Only what is known not to have happened may be done by another tool: an earlier attempt of
 *    unknown outcome makes a later "nothing happened" worth nothing for the call as a whole.
 * 2. What happened is never tried again; where a human can be asked, they can give its answer.
 *
 * @param more `delayMs` is undefined where this was the last attempt.
 */
export async function judgeEffect(
  atHand: ToolCallAtHand,
  outcome: ToolOutcome,
  more: { readonly delayMs: number | undefined; readonly hasUnsettled: () => Promise<boolean> },
): Promise<EffectVerdict> {
  const { delayMs } = more;
  const { input, tool } = atHand;
  const { repeat } = tool.data;
  if (outcome.kind === 'ok') return { state: 'done', next: 'ask' };
  if (outcome.kind === 'failed' && outcome.happened === true)
    return { state: input.waysOut === true ? 'unknown' : 'done', next: 'ask' };
  const retryLater = delayMs === undefined ? undefined : { next: 'retry' as const, delayMs };

  if (outcome.kind === 'failed' && outcome.nothingHappened) {
    const matters = outcome.notSent === true || isExhausted(atHand, outcome);
    const unsettled = matters && repeat !== 'never' && (await more.hasUnsettled());
    if (outcome.retryable && retryLater !== undefined)
      return { state: unsettled ? 'unknown' : 'open', ...retryLater };
    if (unsettled) return { state: 'unknown', next: 'ask' };
    return isExhausted(atHand, outcome)
      ? { state: 'open', next: wayOut(atHand) }
      : { state: 'done', next: 'ask' };
  }

  if (repeat === 'never')
    return tool.verify === undefined
      ? { state: 'unknown', next: 'ask' }
      : // A verification comes first, at the last attempt too: it may say that it happened.
        {
          state: 'unknown',
          next: 'verify',
          delayMs: delayMs ?? atHand.bounds?.retry.firstDelayMs ?? 0,
        };
  const notAgain = outcome.kind === 'failed' && outcome.notAgain === true;
  return notAgain || retryLater === undefined
    ? { state: 'unknown', next: 'ask' }
    : { state: 'unknown', ...retryLater };
}
