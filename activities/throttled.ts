/** What a throttle means for a call: it waits here for a moment, or its run waits for its turn by a durable timer. */
import type { OverBudget } from '../contracts/budgets.ts';
import { limits } from '../contracts/limits.ts';
import type { RefusingThrottle } from '../contracts/throttles.ts';
import { throttleWords } from '../rules/throttle-words.ts';
import type { OpenedModelCall } from '../storage/ledger.ts';

/** The throttle that lets the call wait, where one does. */
export function refusingThrottle(opened: OpenedModelCall): RefusingThrottle | undefined {
  const { verdict, answer } = opened;
  return verdict === 'budget' && answer !== null && 'what' in answer ? answer : undefined;
}

/**
 * Waits here for a turn that is near, and looks for a moment whether a call in flight ends: a worker's place is
 * not held for longer.
 */
export async function untilTurn<Reserved extends { readonly opened: OpenedModelCall }>(
  first: Reserved,
  reserve: () => Promise<Reserved>,
  cancelled: AbortSignal,
): Promise<Reserved> {
  const endMs = performance.now() + limits.throttleHoldMsMax;
  let reserved = first;
  for (;;) {
    const refusing = refusingThrottle(reserved.opened);
    if (refusing === undefined || refusing.hopeless === true) return reserved;
    const pauseMs = refusing.turnMs ?? limits.throttleHoldEveryMs * (0.5 + Math.random());
    if (cancelled.aborted || performance.now() + pauseMs > endMs) return reserved;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    reserved = await reserve();
  }
}

/** How long a run waits before it looks again, by how many wait beside it: none of them knows whose turn is next. */
export function lookAgainMs(
  { waiting = 0, max }: Pick<RefusingThrottle, 'waiting' | 'max'>,
  random: number,
): number {
  const guessMs = ((waiting + 1) / max) * limits.throttleCallMsGuess;
  const wholeMs = Math.min(limits.throttleAgainMsMax, Math.max(limits.throttleAgainMsMin, guessMs));
  return Math.round(wholeMs * (0.5 + random / 2));
}

export function throttled(refusing: RefusingThrottle): OverBudget {
  const throttle = throttleWords(
    refusing.customer === '*' && refusing.whose !== '' ? refusing.whose : refusing.customer,
  );
  const named = {
    kind: 'over-budget',
    throttle: true,
    rule: refusing.rule,
    budget: throttle,
    detail: detailOf(refusing, throttle),
  } as const;
  return refusing.hopeless === true
    ? { ...named, policy: 'stop' }
    : waitingTurn(named, refusing.turnMs ?? lookAgainMs(refusing, Math.random()));
}

/** The run waits so long, and then asks again. */
export const waitingTurn = (
  named: Omit<OverBudget, 'policy' | 'waitMs' | 'waitMsMax' | 'resetsAt'>,
  waitMs: number,
): OverBudget => ({
  ...named,
  policy: 'wait',
  waitMs,
  waitMsMax: limits.throttleWaitMsMax,
  resetsAt: '',
});

function detailOf({ what, max, turnMs = 0, hopeless }: RefusingThrottle, throttle: string): string {
  if (hopeless === true)
    return `The turn of the next call under ${throttle} would come after ${Math.round(turnMs / 60_000)} minutes; a call waits at most ${limits.throttleWaitMsMax / 60_000}.`;
  switch (what) {
    case 'model-calls':
      return `${max} model calls are in flight, the most that ${throttle} allows.`;
    case 'requests':
      return `At most ${max} requests a minute are allowed by ${throttle}.`;
    case 'tokens':
      return `At most ${max} tokens a minute are allowed by ${throttle}.`;
    case 'rate':
      return `Its turn under ${throttle} is still to come.`;
    default:
      return what satisfies never;
  }
}
