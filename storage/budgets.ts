/** Budgets that many runs share: their rules, what is left of their windows, and who is told (`0010-budgets.ts`). */
import type { BudgetPeriod, BudgetScope, ExhaustionPolicy } from '../contracts/budgets.ts';
import { BelayerError, failureType, invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { budgetWords } from '../rules/budget-words.ts';
import type { Database } from './database.ts';
import { storableJson } from './storable.ts';

export interface NewBudget extends BudgetScope {
  readonly ceilingMicroUsd: number | null;
  readonly ceilingTokens: number | null;
  readonly onExhaustion: ExhaustionPolicy;
  readonly waitMs: number | null;
  readonly thresholds: readonly number[];
  readonly by: string;
  readonly reason: string | null;
}

/**
 * Sets a rule, new or in place of what it was. Every claim that commits afterwards has seen it.
 *
 * @throws InputRejected  There are `limits.budgetRulesMax` rules already.
 */
export async function setBudget(database: Database, budget: NewBudget): Promise<void> {
  const [there] = await database.query<{ full: boolean }>(
    {
      name: 'budget_room',
      text: `select count(*) >= $1::int and not bool_or(agent is not distinct from $2::text and customer is not distinct from $3::text and period = $4::text) as full
        from belayer.budget_rule`,
    },
    [limits.budgetRulesMax, budget.agent, budget.customer, budget.per],
  );
  if (there?.full === true)
    throw new BelayerError(
      failureType.inputRejected,
      `There are ${limits.budgetRulesMax} budgets already, the most that an installation may have. Set one for each customer by itself (\`*\`), or remove some.`,
    );
  await database.query(
    { name: 'set_budget', text: 'select belayer.set_budget($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)' },
    [
      budget.agent,
      budget.customer,
      budget.per,
      budget.ceilingMicroUsd,
      budget.ceilingTokens,
      budget.onExhaustion,
      budget.waitMs,
      budget.thresholds,
      budget.by,
      budget.reason,
    ],
  );
}

/** False where there is no such rule. */
export async function removeBudget(
  database: Database,
  { agent, customer, per, by, reason }: BudgetScope & Pick<NewBudget, 'by' | 'reason'>,
): Promise<boolean> {
  const [row] = await database.query<{ removed: boolean }>(
    { name: 'remove_budget', text: 'select belayer.remove_budget($1,$2,$3,$4,$5) as removed' },
    [agent, customer, per, by, reason],
  );
  return row?.removed ?? false;
}

export interface RuleExtension {
  readonly rule: number;
  /** Whose window, of a rule for each customer by itself. */
  readonly customer?: string;
  readonly costMicroUsd: number;
  readonly tokens: number;
  readonly by: string;
  readonly reason?: string;
  /** The run whose request this answers: once for each number. */
  readonly of?: {
    readonly run: string;
    readonly number: number;
    /** Of the run's event. */
    readonly body: Readonly<Record<string, unknown>>;
  };
}

/** Raises the present window of a rule, or what one run has under a rule per run. Why not, or undefined. */
export async function extendRule(
  database: Database,
  { rule, customer, costMicroUsd, tokens, by, reason, of }: RuleExtension,
): Promise<string | undefined> {
  const [row] = await database.query<{
    verdict: 'extended' | 'no-rule' | 'no-ceiling' | 'too-much';
  }>(
    {
      name: 'extend_rule',
      text: 'select belayer.extend_rule($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) as verdict',
    },
    [
      rule,
      customer ?? null,
      of?.run ?? null,
      of?.number ?? null,
      costMicroUsd,
      tokens,
      limits.budgetCostMicroUsdMax,
      by,
      reason ?? null,
      of === undefined ? null : storableJson(of.body),
    ],
  );
  invariant(row !== undefined, 'extend_rule answers with one row');
  switch (row.verdict) {
    case 'extended':
      return undefined;
    case 'no-rule':
      // For who waits for it that is as good: nothing is in the way any more.
      return of === undefined ? 'The budget was removed meanwhile.' : undefined;
    case 'no-ceiling':
      return 'The budget has no ceiling of that kind: raise the one that it has, money or tokens.';
    case 'too-much':
      return `The budget would be over ${limits.budgetCostMicroUsdMax} micro-dollars or tokens, the most that one may have.`;
    default:
      return row.verdict satisfies never;
  }
}

/** A rule, with one of its windows. Amounts in micro-dollars; null: no ceiling of that kind. */
export interface BudgetRow extends BudgetScope {
  readonly rule: number;
  readonly onExhaustion: ExhaustionPolicy;
  readonly waitMs: number | null;
  readonly thresholds: readonly number[];
  readonly setBy: string;
  readonly setAt: Date;
  readonly reason: string | null;
  readonly ceilingMicroUsd: number | null;
  readonly ceilingTokens: number | null;
  /** Whose window; null where the rule has no window of its own now (per run, or of each customer). */
  readonly window: {
    readonly customer: string | null;
    readonly startsAt: Date;
    readonly endsAt: Date;
    /** What was added to it, on top of the ceiling. */
    readonly raisedMicroUsd: number;
    readonly raisedTokens: number;
    readonly spentMicroUsd: number;
    readonly spentTokens: number;
    readonly reservedMicroUsd: number;
    readonly reservedTokens: number;
    readonly leftMicroUsd: number | null;
    readonly leftTokens: number | null;
    /** Spent, of the ceiling that is nearer, in per cent. */
    readonly share: number;
  } | null;
  /** Runs that wait for a window of this rule. */
  readonly waiting: number;
}

/** Rules with their present windows, the fullest of each first. */
export async function readBudgets(
  database: Database,
  { agent, customer, limit }: { agent?: string; customer?: string; limit: number },
): Promise<readonly BudgetRow[]> {
  const rows = await database.query<Record<string, unknown>>(
    {
      name: 'read_budgets',
      text: `select b.id as rule, b.agent, b.customer, b.period as per, b.on_exhaustion, b.wait_ms, b.thresholds, b.set_by, b.set_at, b.reason,
          b.ceiling_micro_usd, b.ceiling_tokens, g.id as window, g.customer as whose,
          coalesce(g.starts_at, d.starts_at) as starts_at, coalesce(g.ends_at, d.ends_at) as ends_at,
          coalesce(g.raised_micro_usd, 0) as raised_micro_usd, coalesce(g.raised_tokens, 0) as raised_tokens, coalesce(g.spent_micro_usd, 0) as spent_micro_usd,
          coalesce(g.spent_tokens, 0) as spent_tokens, coalesce(g.reserved_micro_usd, 0) as reserved_micro_usd, coalesce(g.reserved_tokens, 0) as reserved_tokens,
          (select count(*) from belayer.budget_wait w where w.rule_id = b.id) as waiting
        from belayer.budget_rule b
        cross join lateral (select belayer.budget_now() as at) n
        left join lateral (select date_trunc(nullif(b.period, 'run'), n.at, 'UTC') as starts_at,
          (date_trunc(nullif(b.period, 'run'), n.at, 'UTC') at time zone 'UTC' + ('1 ' || nullif(b.period, 'run'))::interval) at time zone 'UTC' as ends_at) d on true
        left join belayer.budget g on g.rule_id = b.id and g.starts_at <= n.at and g.ends_at > n.at and ($2::text is null or g.customer is null or g.customer = $2)
        where ($1::text is null or b.agent = $1) and ($2::text is null or b.customer = $2 or b.customer = '*')
        order by b.agent nulls first, b.customer nulls first, array_position(array['run', 'hour', 'day', 'month'], b.period),
          coalesce(g.spent_micro_usd, 0) desc, coalesce(g.spent_tokens, 0) desc, g.customer limit $3`,
    },
    [agent ?? null, customer ?? null, limit],
  );
  return rows.map(toBudgetRow);
}

function toBudgetRow(row: Readonly<Record<string, unknown>>): BudgetRow {
  const number = (name: string): number => row[name] as number;
  const orNull = (name: string): number | null => (row[name] ?? null) as number | null;
  const text = (name: string): string | null => (row[name] ?? null) as string | null;
  const left = (ceiling: number | null, kind: string): number | null =>
    ceiling === null
      ? null
      : ceiling + number(`raised_${kind}`) - number(`spent_${kind}`) - number(`reserved_${kind}`);
  const share = (ceiling: number | null, kind: string): number => {
    const whole = (ceiling ?? 0) + number(`raised_${kind}`);
    return ceiling === null || whole === 0 ? 0 : (100 * number(`spent_${kind}`)) / whole;
  };
  const [usd, tokens] = [orNull('ceiling_micro_usd'), orNull('ceiling_tokens')];
  const per = row['per'] as BudgetPeriod;
  const customer = text('customer');
  // A rule for each customer has windows of its own only where a customer has used it.
  const hasWindow = per !== 'run' && (customer !== '*' || row['window'] !== null);
  return {
    rule: number('rule'),
    agent: text('agent'),
    customer,
    per,
    onExhaustion: row['on_exhaustion'] as ExhaustionPolicy,
    waitMs: orNull('wait_ms'),
    thresholds: row['thresholds'] as readonly number[],
    setBy: row['set_by'] as string,
    setAt: row['set_at'] as Date,
    reason: text('reason'),
    ceilingMicroUsd: usd,
    ceilingTokens: tokens,
    window: hasWindow
      ? {
          customer: text('whose') ?? (customer === '*' ? null : customer),
          startsAt: row['starts_at'] as Date,
          endsAt: row['ends_at'] as Date,
          raisedMicroUsd: number('raised_micro_usd'),
          raisedTokens: number('raised_tokens'),
          spentMicroUsd: number('spent_micro_usd'),
          spentTokens: number('spent_tokens'),
          reservedMicroUsd: number('reserved_micro_usd'),
          reservedTokens: number('reserved_tokens'),
          leftMicroUsd: left(usd, 'micro_usd'),
          leftTokens: left(tokens, 'tokens'),
          share: Math.max(share(usd, 'micro_usd'), share(tokens, 'tokens')),
        }
      : null,
    waiting: number('waiting'),
  };
}

/** @throws InputRejected  There is no such rule. */
export async function ruleOf(
  database: Database,
  scope: BudgetScope,
): Promise<{ readonly rule: number }> {
  const [row] = await database.query<{ rule: number }>(
    {
      name: 'rule_of',
      text: `select id as rule from belayer.budget_rule
        where agent is not distinct from $1 and customer is not distinct from $2 and period = $3`,
    },
    [scope.agent, scope.customer, scope.per],
  );
  if (row !== undefined) return row;
  throw new BelayerError(
    failureType.inputRejected,
    `There is no such thing as ${budgetWords(scope)}. \`belayer budget show\` lists what there is. Nothing was changed.`,
  );
}

/** Budgets that hold for every run of a filter, whether they name it or not; at most `limits.budgetsOverShownMax`. */
export function readBudgetsOver(
  database: Database,
  { agent, customer }: { readonly agent?: string; readonly customer?: string },
): Promise<readonly BudgetScope[]> {
  return database.query<BudgetScope>(
    {
      name: 'read_budgets_over',
      text: `select agent, customer, period as per from belayer.budget_rule
        where (agent is null or agent = $1) and (customer is null or customer = '*' or customer = $2)
        order by agent nulls first, customer nulls first, array_position(array['run', 'hour', 'day', 'month'], period) limit $3`,
    },
    [agent ?? null, customer ?? null, limits.budgetsOverShownMax],
  );
}

/** What a rule is over; undefined where it was removed. */
export async function readRuleScope(
  database: Database,
  rule: number,
): Promise<BudgetScope | undefined> {
  const [row] = await database.query<BudgetScope>(
    {
      name: 'read_rule_scope',
      text: 'select agent, customer, period as per from belayer.budget_rule where id = $1',
    },
    [rule],
  );
  return row;
}

/** A set, a raise or a removal. */
export interface BudgetChange extends BudgetScope {
  readonly at: Date;
  readonly action: 'set' | 'extended' | 'removed';
  readonly rule: number;
  readonly by: string;
  readonly reason: string | null;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
}

/** Newest first, at most `limits.budgetChangesShownMax`. */
export function readBudgetChanges(
  database: Database,
  { agent, customer }: { readonly agent?: string; readonly customer?: string },
): Promise<readonly BudgetChange[]> {
  return database.query<BudgetChange>(
    {
      name: 'read_budget_changes',
      text: `select at, action, rule_id as rule, agent, customer, period as per, by, reason, before, after from belayer.budget_change
        where ($1::text is null or agent = $1) and ($2::text is null or customer = $2) order by id desc limit $3`,
    },
    [agent ?? null, customer ?? null, limits.budgetChangesShownMax],
  );
}

export interface RunToWake {
  readonly no: number;
  readonly run: string;
}

/** Takes waiting runs whose budget was changed, so that no other worker tells the same ones. */
export function takeBudgetWakes(database: Database): Promise<readonly RunToWake[]> {
  return database.query<RunToWake>(
    { name: 'take_budget_wakes', text: 'select * from belayer.take_budget_wakes($1,$2)' },
    [limits.budgetWakeLeaseMs, limits.budgetWakesMax],
  );
}

/** They were told, or have ended. */
export async function closeBudgetWakes(
  database: Database,
  runs: readonly RunToWake[],
): Promise<void> {
  if (runs.length === 0) return;
  await database.query(
    { name: 'close_budget_wakes', text: 'select belayer.close_budget_wakes($1)' },
    [runs.map(({ no }) => no)],
  );
}

/**
 * Settles reservations whose attempt is dead: nothing of it can close any more in time, and nobody has taken
 * its position over. In full, since nobody knows what was billed. How many, of this part of the open runs.
 */
export async function reconcile(
  database: Database,
  {
    marginMs = reconcileMarginMs,
    everyMs = limits.budgetReconcileEveryMs,
  }: { readonly marginMs?: number; readonly everyMs?: number } = {},
): Promise<{ readonly settled: number; readonly more: boolean }> {
  const [batch] = await database.query<{ more: boolean; runs: readonly number[] | null }>(
    { name: 'take_unsettled', text: 'select * from belayer.take_unsettled($1,$2,$3)' },
    [marginMs, limits.budgetReconcileRowsMax, everyMs],
  );
  invariant(batch !== undefined, 'take_unsettled answers with one row');
  let settled = 0;
  // One run a transaction: two of them together could wait for a third that waits for the first.
  for (const run of batch.runs ?? []) {
    const [row] = await database.query<{ settled: number }>(
      { name: 'reconcile_run', text: 'select belayer.reconcile_run($1,$2) as settled' },
      [run, marginMs],
    );
    settled += row?.settled ?? 0;
  }
  return { settled, more: batch.more };
}

/** Beyond an attempt's own time: how long its reply may be held, and clocks may differ. */
const reconcileMarginMs =
  limits.storageHoldMsMax + limits.settlingMs + limits.budgetReconcileSlackMs;
