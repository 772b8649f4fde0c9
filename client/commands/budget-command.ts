/** `belayer budget`: what the client's `budgets` does, in words. */
import type { BudgetPeriod, BudgetScope, ExhaustionPolicy } from '../../contracts/budgets.ts';
import type { Duration } from '../../definitions/internal.ts';
import { readBudgetsOver } from '../../storage/budgets.ts';
import type { BudgetTarget } from '../budgets.ts';
import { budgetName, budgetsTable, changesTable, noneNamed, overWords } from './budget-text.ts';
import { exitCode } from './exit-codes.ts';
import { safeLine } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withPostgres } from './with-connection.ts';

export interface BudgetFlags {
  readonly agent?: string;
  readonly customer?: string;
  readonly all?: true;
  readonly per: string;
  readonly reason?: string;
  readonly by?: string;
  readonly json?: true;
}

export interface AmountFlags {
  readonly usd?: number;
  readonly tokens?: number;
}

export interface SetFlags extends BudgetFlags, AmountFlags {
  readonly onExhaustion?: string;
  readonly waitMax?: string;
  readonly thresholds?: readonly number[];
}

export interface ShowFlags {
  readonly agent?: string;
  readonly customer?: string;
  readonly limit: number;
  readonly json?: true;
}

export const setCommand = (terminal: Terminal, flags: SetFlags): Promise<number> =>
  change(terminal, flags, 'is set', async (budgets, target) => {
    const { onExhaustion, waitMax, thresholds } = flags;
    await budgets.set({
      ...target,
      ...amountsOf(flags),
      // What is none of them is refused there, with what there is.
      ...(onExhaustion === undefined ? {} : { onExhaustion: onExhaustion as ExhaustionPolicy }),
      ...(waitMax === undefined ? {} : { waitMax: waitMax as Duration }),
      ...(thresholds === undefined ? {} : { thresholds }),
    });
  });

export const extendCommand = (
  terminal: Terminal,
  flags: BudgetFlags & AmountFlags & { readonly each?: true },
): Promise<number> =>
  change(terminal, flags, 'is raised until its window ends', (budgets, target) =>
    budgets.extend({
      ...target,
      ...amountsOf(flags),
      ...(flags.each === undefined ? {} : { each: flags.each }),
    }),
  );

export const removeCommand = (terminal: Terminal, flags: BudgetFlags): Promise<number> =>
  change(terminal, flags, 'is removed', (budgets, target) => budgets.remove(target));

export function showCommand(terminal: Terminal, flags: ShowFlags): Promise<number> {
  const { json, ...filter } = flags;
  return withPostgres(terminal, async ({ belayer, parts }) => {
    const rows = await belayer.budgets.show(filter);
    if (json === true) for (const row of rows) outJson(terminal, row, 'line');
    else {
      if (rows.length > 0) terminal.out(`${budgetsTable(rows)}\n`);
      if (isNamed(filter)) {
        const isShown = (scope: BudgetScope): boolean =>
          rows.some(({ agent, customer, per }) => agent === scope.agent && customer === scope.customer && per === scope.per); // prettier-ignore
        const over = (await readBudgetsOver(parts.database, filter)).filter((scope) => !isShown(scope)); // prettier-ignore
        if (rows.length === 0) terminal.note(noneNamed(filter, over, 'names'));
        else if (over.length > 0) terminal.note(overWords(over));
      } else if (rows.length === 0)
        terminal.note('No budget is set. Each run has its own ceiling.');
    }
    return exitCode.done;
  });
}

export function historyCommand(
  terminal: Terminal,
  flags: Omit<ShowFlags, 'limit'>,
): Promise<number> {
  const { json, ...filter } = flags;
  return withPostgres(terminal, async ({ belayer, parts }) => {
    const rows = await belayer.budgets.history(filter);
    if (json === true) for (const row of rows) outJson(terminal, row, 'line');
    else if (rows.length === 0 && isNamed(filter))
      terminal.note(
        noneNamed(filter, await readBudgetsOver(parts.database, filter), 'was ever set for'),
      );
    else if (rows.length === 0) terminal.note('No budget was ever set.');
    else terminal.out(`${changesTable(rows)}\n`);
    return exitCode.done;
  });
}

const isNamed = ({ agent, customer }: Pick<ShowFlags, 'agent' | 'customer'>): boolean =>
  agent !== undefined || customer !== undefined;

type BudgetsOfClient = Parameters<Parameters<typeof withPostgres>[1]>[0]['belayer']['budgets'];

function change(
  terminal: Terminal,
  flags: BudgetFlags,
  what: string,
  make: (budgets: BudgetsOfClient, target: BudgetTarget & { readonly by: string }) => Promise<void>,
): Promise<number> {
  const { agent, customer, all, reason } = flags;
  return withPostgres(terminal, async ({ belayer, parts }) => {
    const target = {
      ...(agent === undefined ? {} : { agent }),
      ...(customer === undefined ? {} : { customer }),
      ...(all === undefined ? {} : { installation: true as const }),
      per: flags.per as BudgetPeriod,
      by: flags.by ?? parts.by,
      ...(reason === undefined ? {} : { reason }),
    };
    await make(belayer.budgets, target);
    const scope = { agent: agent ?? null, customer: customer ?? null, per: target.per };
    if (flags.json === true) outJson(terminal, { ...scope, done: what, by: target.by }, 'document');
    else terminal.out(`${budgetName(scope)} ${what}, by ${safeLine(target.by, 60)}.\n`);
    return exitCode.done;
  });
}

const amountsOf = ({ usd, tokens }: AmountFlags) => ({
  ...(usd === undefined ? {} : { costUsd: usd }),
  ...(tokens === undefined ? {} : { tokens }),
});
