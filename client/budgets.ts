/** Budgets over an agent, a customer, both or the installation: set, shown, raised, removed. */
import {
  type BudgetPeriod,
  budgetPeriods,
  type BudgetScope,
  exhaustionPolicies,
  type ExhaustionPolicy,
} from '../contracts/budgets.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { type Duration, readDuration, toMicroUsd } from '../definitions/internal.ts';
import {
  type BudgetChange,
  type BudgetRow,
  extendRule,
  readBudgetChanges,
  readBudgets,
  removeBudget,
  ruleOf,
  setBudget,
} from '../storage/budgets.ts';
import { publishedAgents } from '../storage/definitions.ts';
import { checkedLimit } from '../storage/reading-runs.ts';
import { refuse, shown, textMistakes, unstorableMistakes, wordMistakes } from './check-words.ts';
import type { Parts } from './parts.ts';

/** Which budget: an agent's, a customer's, a customer's within an agent, or the installation's. */
export interface BudgetTarget {
  readonly agent?: string;
  /** `*`: each customer by itself. A budget of a named customer takes the place of it. */
  readonly customer?: string;
  /** Of everything, where neither is given. */
  readonly installation?: true;
  /** `run`: a ceiling for each single run. Hours, days and months are aligned in UTC. */
  readonly per: BudgetPeriod;
}

interface BudgetWords {
  /** Default: who connected. */
  readonly by?: string;
  readonly reason?: string;
}

export interface BudgetAmounts {
  /** US dollars, from 0.000001. */
  readonly costUsd?: number;
  /** Input and output tokens of model calls. */
  readonly tokens?: number;
}

export interface SetBudget extends BudgetTarget, BudgetAmounts, BudgetWords {
  /** What happens to a call that does not fit. Default `stop`. `wait` is not for budgets per run. */
  readonly onExhaustion?: ExhaustionPolicy;
  /** Of `wait`: how long one call waits at most. Default 24 hours, at most 31 days. */
  readonly waitMax?: Duration;
  /** Shares of a window, in per cent, that are announced once each. Default 50, 80, 95; not per run. */
  readonly thresholds?: readonly number[];
}

export interface Budgets {
  /**
   * Sets a budget, new or in place of what it was: amounts and policy together, present windows included. What was
   * spent before the first set is not counted. Every call that is claimed after this returned has seen it.
   *
   * @throws InputRejected  Names every option that does not fit; nothing was set.
   * @throws AgentUnknown   No worker has published the agent: a misspelt name would limit nobody.
   */
  set(budget: SetBudget): Promise<void>;
  /** Budgets with their present windows. Filters by exact name; default limit 500, at most 10,000. */
  show(options?: {
    readonly agent?: string;
    readonly customer?: string;
    readonly limit?: number;
  }): Promise<readonly BudgetRow[]>;
  /** Who changed what, newest first, at most 200. */
  history(options?: {
    readonly agent?: string;
    readonly customer?: string;
  }): Promise<readonly BudgetChange[]>;
  /**
   * Adds to the present window, and wakes the runs that wait for it. The next window has the budget's own ceiling
   * again. Of a budget of each customer by itself: with `customer` named, and `each: true`.
   *
   * @throws InputRejected  No such budget, no ceiling of that kind, or no amount. Nothing was changed.
   */
  extend(
    extension: BudgetTarget & BudgetAmounts & BudgetWords & { readonly each?: true },
  ): Promise<void>;
  /** Ends a budget. What is reserved under it is settled there all the same. @throws InputRejected */
  remove(target: BudgetTarget & BudgetWords): Promise<void>;
}

export function budgetsOn(parts: Pick<Parts, 'database' | 'by'>): Budgets {
  const { database } = parts;
  return {
    async set(budget) {
      const scope = checkedTarget('set', budget, setNames, setMistakes);
      if (scope.agent !== null) await checkAgent(parts, scope.agent);
      const { costUsd, tokens, onExhaustion = 'stop', waitMax, thresholds } = budget;
      const wait = waitMax === undefined ? undefined : readDuration(waitMax, waitBounds);
      await setBudget(database, {
        ...scope,
        ceilingMicroUsd: costUsd === undefined ? null : toMicroUsd(costUsd),
        ceilingTokens: tokens ?? null,
        onExhaustion,
        waitMs:
          onExhaustion === 'wait'
            ? wait !== undefined && 'ms' in wait
              ? wait.ms
              : limits.budgetWaitMsDefault
            : null,
        thresholds: scope.per === 'run' ? [] : (thresholds ?? thresholdsDefault),
        by: budget.by ?? parts.by,
        reason: budget.reason ?? null,
      });
    },
    async show(options = {}) {
      const { agent, customer, limit = 500 } = checkedFilter('show', options, ['limit']);
      return readBudgets(database, {
        ...(agent === undefined ? {} : { agent }),
        ...(customer === undefined ? {} : { customer }),
        limit: checkedLimit(limit, limits.budgetsShownMax),
      });
    },
    async history(options = {}) {
      return readBudgetChanges(database, checkedFilter('history', options, []));
    },
    async extend(extension) {
      const scope = checkedTarget('extend', extension, extendNames, extendMistakes);
      const { each, costUsd, tokens, by = parts.by, reason } = extension;
      const { rule } = await ruleOf(database, each === true ? { ...scope, customer: '*' } : scope);
      const because = await extendRule(database, {
        rule,
        ...(scope.customer === null ? {} : { customer: scope.customer }),
        costMicroUsd: costUsd === undefined ? 0 : toMicroUsd(costUsd),
        tokens: tokens ?? 0,
        by,
        ...(reason === undefined ? {} : { reason }),
      });
      if (because !== undefined)
        throw new BelayerError(failureType.inputRejected, `${because} Nothing was changed.`);
    },
    async remove(target) {
      const scope = checkedTarget('remove', target, targetNames, () => []);
      const { by = parts.by, reason = null } = target;
      // Names what is missing.
      if (!(await removeBudget(database, { ...scope, by, reason }))) await ruleOf(database, scope);
    },
  };
}

const thresholdsDefault: readonly number[] = [50, 80, 95];
const targetNames = ['agent', 'customer', 'installation', 'per', 'by', 'reason'];
const extendNames = [...targetNames, 'costUsd', 'tokens', 'each'];
const setNames = [...targetNames, 'costUsd', 'tokens', 'onExhaustion', 'waitMax', 'thresholds'];
const waitBounds = { minMs: 1_000, maxMs: limits.budgetWaitMsMax, maxName: 'budgetWaitMsMax' };

/** @throws InputRejected  Names every mistake; nothing was changed. */
function checkedTarget<Given extends BudgetTarget>(
  call: string,
  given: Given,
  known: readonly string[],
  more: (given: Given) => readonly string[],
): BudgetScope {
  const subject = `\`budgets.${call}\``;
  const nothing = 'Nothing was changed.';
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    refuse(
      subject,
      [`it got ${shown(given)}; it takes an object such as { customer, per }`],
      nothing,
    );
  const { agent, customer, installation, per } = given;
  refuse(
    subject,
    [
      ...wordMistakes(given, { known }),
      ...unstorableMistakes(given),
      ...nameMistakes(given),
      ...(budgetPeriods.includes(per)
        ? []
        : [`\`per\` is ${quoted(per)}; it must be one of ${budgetPeriods.join(', ')}`]),
      ...(installation !== undefined && installation !== true
        ? [`\`installation\` is ${shown(installation)}; it is true or absent`]
        : []),
      ...(installation === true && (agent !== undefined || customer !== undefined)
        ? ['`installation` is for everything; it goes with neither `agent` nor `customer`']
        : []),
      ...(installation === undefined && agent === undefined && customer === undefined
        ? ['it needs an `agent`, a `customer`, both, or `installation: true`']
        : []),
      ...more(given),
    ],
    nothing,
  );
  return { agent: agent ?? null, customer: customer ?? null, per };
}

function nameMistakes(given: { readonly agent?: unknown; readonly customer?: unknown }): string[] {
  const { agent, customer } = given;
  return [
    ...(agent === undefined ? [] : textMistakes('agent', agent, limits.agentNameCharsMax)),
    ...(customer === undefined ? [] : textMistakes('customer', customer, limits.customerCharsMax)),
  ];
}

function amountMistakes({ costUsd, tokens }: BudgetAmounts): string[] {
  const usdMax = limits.budgetCostMicroUsdMax / 1_000_000;
  const isUsd = (value: unknown): value is number =>
    typeof value === 'number' && value <= usdMax && toMicroUsd(value) >= 1;
  const isTokens = (value: unknown): boolean =>
    Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= limits.budgetTokensMax;
  return [
    ...(costUsd === undefined || isUsd(costUsd)
      ? []
      : [`\`costUsd\` is ${shown(costUsd)}; it must be a number from 0.000001 to ${usdMax}`]),
    ...(tokens === undefined || isTokens(tokens)
      ? []
      : [`\`tokens\` is ${shown(tokens)}; it must be a whole number from 1 to ${limits.budgetTokensMax}`]), // prettier-ignore
    ...(costUsd === undefined && tokens === undefined
      ? ['it needs an amount: `costUsd`, `tokens` or both']
      : []),
  ];
}

function setMistakes(budget: SetBudget): string[] {
  const { onExhaustion = 'stop', waitMax, thresholds, per } = budget;
  const wait = waitMax === undefined ? undefined : readDuration(waitMax, waitBounds);
  return [
    ...amountMistakes(budget),
    ...(exhaustionPolicies.includes(onExhaustion)
      ? []
      : [`\`onExhaustion\` is ${quoted(onExhaustion)}; it must be one of ${exhaustionPolicies.join(', ')}`]), // prettier-ignore
    ...(onExhaustion === 'wait' && per === 'run'
      ? ['a budget per run has no window that ends, so nothing can wait for it; use stop, ask or degrade'] // prettier-ignore
      : []),
    ...(waitMax !== undefined && onExhaustion !== 'wait'
      ? ['`waitMax` is for budgets whose `onExhaustion` is wait']
      : []),
    ...(wait !== undefined && 'problem' in wait ? [`\`waitMax\` ${wait.problem}`] : []),
    ...(thresholds === undefined ? [] : thresholdMistakes(thresholds, per)),
  ];
}

function thresholdMistakes(thresholds: unknown, per: BudgetPeriod): string[] {
  if (per === 'run') return ['`thresholds` are for windows; a budget per run has none'];
  const isList =
    Array.isArray(thresholds) &&
    thresholds.length <= limits.budgetThresholdsMax &&
    thresholds.every(
      (each, index) =>
        Number.isInteger(each) &&
        each >= 1 &&
        each <= 100 &&
        (index === 0 || each > (thresholds[index - 1] as number)),
    );
  return isList
    ? []
    : [`\`thresholds\` must be at most ${limits.budgetThresholdsMax} whole per cents from 1 to 100, each above the one before`]; // prettier-ignore
}

function extendMistakes(
  extension: BudgetTarget & BudgetAmounts & { readonly each?: true },
): string[] {
  const { each, customer, per } = extension;
  return [
    ...amountMistakes(extension),
    ...(per === 'run'
      ? ['a budget per run is raised for one run, by answering what that run asks: `run.extendBudget`'] // prettier-ignore
      : []),
    ...(customer === '*'
      ? ['each customer has a window of its own: name the customer, with `each: true`']
      : []),
    ...(each === true && customer === undefined ? ['`each` goes with a `customer`'] : []),
  ];
}

function checkedFilter<Options extends { readonly agent?: string; readonly customer?: string }>(
  call: string,
  options: Options,
  more: readonly string[],
): Options {
  refuse(
    `\`budgets.${call}\``,
    [
      ...wordMistakes(options, { known: ['agent', 'customer', ...more] }),
      ...unstorableMistakes(options),
      ...nameMistakes(options),
    ],
    'Nothing was read.',
  );
  return options;
}

const quoted = (value: unknown): string =>
  typeof value === 'string' && value.length <= limits.agentNameCharsMax
    ? `\`${value}\``
    : shown(value);

/** A misspelt name would limit nobody, and somebody would believe that it does. */
async function checkAgent({ database }: Pick<Parts, 'database'>, agent: string): Promise<void> {
  const known = await publishedAgents(database);
  if (known.includes(agent)) return;
  throw new BelayerError(
    failureType.agentUnknown,
    `No worker has published an agent \`${agent}\`, so no budget was set. Published: ${known.slice(0, 20).join(', ') || 'none'}.`,
  );
}
