/** Budgets that many runs share: what they are over, for how long, and what happens when one is used up. */

/** `run`: a ceiling for each single run. The others are windows, aligned in UTC. */
export type BudgetPeriod = 'run' | 'hour' | 'day' | 'month';

export const budgetPeriods: readonly BudgetPeriod[] = ['run', 'hour', 'day', 'month'];

/**
 * What happens to a call that does not fit. stop: the run stops; ask: a human is asked; wait: until the window
 * ends; degrade: the next cheaper model of the agent is used for this call.
 */
export type ExhaustionPolicy = 'stop' | 'ask' | 'wait' | 'degrade';

/** From the strictest: where several budgets refuse a call, the first of these decides. */
export const exhaustionPolicies: readonly ExhaustionPolicy[] = ['stop', 'ask', 'wait', 'degrade'];

/** What a budget is over. Neither agent nor customer: the installation. */
export interface BudgetScope {
  readonly agent: string | null;
  /** `*`: each customer by itself. */
  readonly customer: string | null;
  readonly per: BudgetPeriod;
}

/** A budget that refuses a call, as the claim says it. Amounts are null where it has no such ceiling. */
export interface RefusingBudget extends BudgetScope {
  readonly rule: number;
  readonly policy: ExhaustionPolicy;
  readonly microUsdLeft: number | null;
  readonly tokensLeft: number | null;
  readonly ceilingMicroUsd: number | null;
  readonly ceilingTokens: number | null;
  readonly spentMicroUsd: number;
  readonly spentTokens: number;
  readonly reservedMicroUsd: number;
  readonly reservedTokens: number;
  /** Of the window; null per run. ISO 8601, UTC. */
  readonly endsAt: string | null;
  /** Until then, by the database's clock. */
  readonly resetMs: number | null;
  /** How long one call waits at most. */
  readonly waitMs: number | null;
  /** It would fit if what others have reserved came back. */
  readonly crowded: boolean;
  /** No window of this budget could hold it. */
  readonly hopeless: boolean;
}

/** What `callModel` answers where a shared budget refused the call. It reaches histories. */
export interface OverBudget {
  readonly kind: 'over-budget';
  readonly rule: number;
  /** In words. */
  readonly budget: string;
  /** Whose window it is, of a budget for each customer by itself. */
  readonly customer?: string;
  /** What is to be done: a budget that is to be waited for in vain says `stop`. */
  readonly policy: ExhaustionPolicy;
  readonly detail: string;
  /** Of `wait`: until the next try, and at most for this call. */
  readonly waitMs?: number;
  readonly waitMsMax?: number;
  /** Of `wait`: the window's end, ISO 8601, UTC. */
  readonly resetsAt?: string;
  /** Of `degrade`: where the cheaper model stands in the agent's list, from 0. */
  readonly model?: number;
  /** It is a throttle that refuses, and `budget` says which: nothing is used up, and its turn comes. */
  readonly throttle?: true;
}

/** The shared budget that a request to a human is about. */
export interface BudgetAsked {
  readonly rule: number;
  readonly customer?: string;
}
