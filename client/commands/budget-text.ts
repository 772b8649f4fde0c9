/** Budgets as tables. */
import type { BudgetScope } from '../../contracts/budgets.ts';
import { budgetWords } from '../../rules/budget-words.ts';
import type { BudgetChange, BudgetRow } from '../../storage/budgets.ts';
import { duration, moment, usd } from './amounts.ts';
import { safeLine } from './safe-text.ts';
import { table } from './table.ts';

/** At the beginning of a sentence. */
export function budgetName(scope: BudgetScope): string {
  const words = safeLine(budgetWords(scope), 300);
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
}

/** Where nothing names what was asked for: that is said, with the budgets that hold for it all the same. */
export function noneNamed(
  { agent, customer }: { readonly agent?: string; readonly customer?: string },
  over: readonly BudgetScope[],
  none: string,
): string {
  const whose = [
    ...(agent === undefined ? [] : [`agent \`${safeLine(agent, 64)}\``]),
    ...(customer === undefined ? [] : [`customer \`${safeLine(customer, 128)}\``]),
  ].join(' and ');
  return `No budget ${none} ${whose}. ${over.length === 0 ? 'Nor is there one over everything: each run has its own ceiling.' : overWords(over)}`;
}

export const overWords = (over: readonly BudgetScope[]): string =>
  `Without that name, but over it: ${over.map((scope) => safeLine(budgetWords(scope), 300)).join('; ')}.`;

export const budgetsTable = (rows: readonly BudgetRow[]): string =>
  table(
    ['AGENT', 'CUSTOMER', 'PER', 'CEILING', 'SPENT', 'IN FLIGHT', 'LEFT', 'SHARE', 'UNTIL (UTC)', 'THEN', 'WAIT'], // prettier-ignore
    rows.map((row) => {
      const { window } = row;
      return [
        row.agent === null ? '-' : safeLine(row.agent, 64),
        customerOf(row),
        row.per,
        both(
          plus(row.ceilingMicroUsd, window?.raisedMicroUsd),
          plus(row.ceilingTokens, window?.raisedTokens),
        ),
        window === null ? '-' : amounts(row, window.spentMicroUsd, window.spentTokens),
        window === null ? '-' : amounts(row, window.reservedMicroUsd, window.reservedTokens),
        window === null ? '-' : both(window.leftMicroUsd, window.leftTokens),
        window === null ? '-' : `${Math.floor(window.share)}%`,
        window === null ? '-' : moment(window.endsAt),
        row.waitMs === null
          ? row.onExhaustion
          : `${row.onExhaustion}, at most ${duration(row.waitMs)}`,
        row.waiting === 0 ? '-' : String(row.waiting),
      ];
    }),
  );

/** Of a budget of each customer: whose window, or that nobody has one now. */
function customerOf({ customer, window }: BudgetRow): string {
  if (customer === null) return '-';
  return customer === '*' && typeof window?.customer === 'string'
    ? `* ${safeLine(window.customer, 128)}`
    : safeLine(customer, 128);
}

const plus = (ceiling: number | null, raised = 0): number | null =>
  ceiling === null ? null : ceiling + raised;

const amounts = (
  { ceilingMicroUsd, ceilingTokens }: BudgetRow,
  microUsd: number,
  tokens: number,
): string =>
  both(ceilingMicroUsd === null ? null : microUsd, ceilingTokens === null ? null : tokens);

const both = (microUsd: number | null, tokens: number | null): string =>
  [
    ...(microUsd === null ? [] : [usd(microUsd)]),
    ...(tokens === null ? [] : [`${tokens} tokens`]),
  ].join(', ');

export const changesTable = (changes: readonly BudgetChange[]): string =>
  table(
    ['AT (UTC)', 'BUDGET', 'ACTION', 'FROM', 'TO', 'BY', 'REASON'],
    changes.map((change) => [
      moment(change.at),
      budgetName(change).replace(/^The budget of /, ''),
      change.action,
      stateText(change.before),
      stateText(change.after),
      safeLine(change.by, 40),
      change.reason === null ? '' : safeLine(change.reason, 120),
    ]),
  );

/** Of a rule, or of what was added to a window. */
function stateText(state: BudgetChange['before']): string {
  if (state === null) return '-';
  const number = (name: string): number | null => {
    const value = state[name];
    return typeof value === 'number' ? value : null;
  };
  if ('onExhaustion' in state)
    return `${both(number('ceilingMicroUsd'), number('ceilingTokens'))}, ${safeLine(String(state['onExhaustion']), 20)}`;
  return `+ ${both(number('raisedMicroUsd'), number('raisedTokens'))}`;
}
