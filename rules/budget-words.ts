import type { BudgetScope } from '../contracts/budgets.ts';
import type { RunEvent } from '../contracts/events.ts';

/** A budget as a person reads it: "the budget of customer `acme` per day". */
export function budgetWords({ agent, customer, per }: BudgetScope): string {
  const whose = [
    ...(agent === null ? [] : [`agent \`${agent}\``]),
    ...(customer === null ? [] : [customer === '*' ? 'each customer' : `customer \`${customer}\``]),
  ];
  return `the budget of ${whose.length === 0 ? 'the installation' : whose.join(' for ')} per ${per}`;
}

/** What crossed a threshold, as a person reads it. */
export function thresholdWords(
  event: Pick<
    Extract<RunEvent, { readonly kind: 'budget.threshold' }>,
    | 'agent'
    | 'customer'
    | 'per'
    | 'share'
    | 'spentMicroUsd'
    | 'ceilingMicroUsd'
    | 'spentTokens'
    | 'ceilingTokens'
    | 'endsAt'
  >,
): string {
  const budget = budgetWords({
    agent: event.agent ?? null,
    customer: event.customer ?? null,
    per: event.per,
  });
  const used = [
    ...(event.ceilingMicroUsd === undefined
      ? []
      : [`${dollars(event.spentMicroUsd)} of ${dollars(event.ceilingMicroUsd)}`]),
    ...(event.ceilingTokens === undefined
      ? []
      : [`${event.spentTokens} of ${event.ceilingTokens} tokens`]),
  ];
  return `${event.share}% of ${budget} is spent: ${used.join(', ')}, until ${event.endsAt}`;
}

const dollars = (microUsd: number): string => `$${(microUsd / 1_000_000).toFixed(6)}`;
