/** What a shared budget that refuses a call means for it: who is told to wait, to ask, to go smaller or to stop. */
import type { OverBudget, RefusingBudget } from '../contracts/budgets.ts';
import { limits } from '../contracts/limits.ts';
import { budgetWords } from '../rules/budget-words.ts';
import type { OpenedModelCall } from '../storage/ledger.ts';

export interface WantedOfBudget {
  readonly reservedMicroUsd: number;
  readonly reservedTokens: number;
  /** Models behind the present one that would cost less for the same prompt, by their place in the list. */
  readonly cheaper: () => number | undefined;
}

/** The budget that refuses, where it is one that runs share. */
export function refusingBudget(opened: OpenedModelCall): RefusingBudget | undefined {
  const { verdict, answer } = opened;
  return verdict === 'budget' && answer !== null && 'crowded' in answer && !('what' in answer)
    ? answer
    : undefined;
}

/**
 * Looks again while only the reservations of others keep a call out: they are worst cases, and most of each comes
 * back when its call ends. Nothing is held meanwhile, so two calls cannot wait for each other.
 */
export async function untilRoom<Reserved extends { readonly opened: OpenedModelCall }>(
  first: Reserved,
  reserve: () => Promise<Reserved>,
  { forMs, cancelled }: { readonly forMs: number; readonly cancelled: AbortSignal },
): Promise<Reserved> {
  const endMs = performance.now() + forMs;
  let reserved = first;
  for (let delayMs: number = limits.budgetCrowdedFirstDelayMs; ; delayMs *= 1.5) {
    if (refusingBudget(reserved.opened)?.crowded !== true) return reserved;
    // Part of it is chance, so that those who wait do not come in step.
    const wholeMs = Math.min(delayMs, limits.budgetCrowdedMaxDelayMs);
    const pauseMs = wholeMs * (0.5 + Math.random() / 2);
    if (cancelled.aborted || performance.now() + pauseMs > endMs) return reserved;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    reserved = await reserve();
  }
}

export function overBudget(refusing: RefusingBudget, wanted: WantedOfBudget): OverBudget {
  const { rule, customer, policy, hopeless, crowded } = refusing;
  const budget = budgetWords(refusing);
  const detail = detailOf(refusing, budget, wanted);
  const named = {
    kind: 'over-budget',
    rule,
    budget,
    ...(customer === null ? {} : { customer }),
  } as const;
  switch (policy) {
    case 'stop':
    case 'ask':
      return { ...named, policy, detail };
    case 'wait': {
      if (hopeless)
        return {
          ...named,
          policy: 'stop',
          detail: `${detail} No window of it could hold this call.`,
        };
      const resetMs = Math.max(0, refusing.resetMs ?? 0);
      const spreadMs = Math.round(Math.random() * limits.budgetWakeSpreadMs);
      return {
        ...named,
        policy,
        detail,
        waitMs: (crowded ? Math.min(resetMs, limits.budgetCrowdedAgainMs) : resetMs) + spreadMs,
        waitMsMax: refusing.waitMs ?? limits.budgetWaitMsDefault,
        resetsAt: refusing.endsAt ?? '',
      };
    }
    case 'degrade': {
      // Where tokens are what is missing, another model needs as many.
      const model = lacksMoney(refusing, wanted) ? wanted.cheaper() : undefined;
      return model === undefined
        ? { ...named, policy: 'stop', detail: `${detail} No cheaper model is left.` }
        : { ...named, policy, detail, model };
    }
    default:
      return policy satisfies never;
  }
}

const lacksMoney = (
  { microUsdLeft }: RefusingBudget,
  { reservedMicroUsd }: WantedOfBudget,
): boolean => microUsdLeft !== null && reservedMicroUsd > microUsdLeft;

function detailOf(refusing: RefusingBudget, budget: string, wanted: WantedOfBudget): string {
  const money = lacksMoney(refusing, wanted);
  const [need, left, ceiling, reserved, unit] = money
    ? [wanted.reservedMicroUsd, refusing.microUsdLeft, refusing.ceilingMicroUsd, refusing.reservedMicroUsd, 'micro-dollars'] // prettier-ignore
    : [wanted.reservedTokens, refusing.tokensLeft, refusing.ceilingTokens, refusing.reservedTokens, 'tokens']; // prettier-ignore
  const until = refusing.endsAt === null ? '' : ` until ${refusing.endsAt}`;
  const held = reserved > 0 ? ` (calls in flight hold ${reserved})` : '';
  return `The next call may take ${need} ${unit}; ${left} of ${ceiling} are left under ${budget}${until}${held}.`;
}
