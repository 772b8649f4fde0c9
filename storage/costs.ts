/** What runs cost, from the journal: every attempt counts once, where it was made (`0013-costs.ts`). */
import { limits } from '../contracts/limits.ts';
import type { Database } from './database.ts';
import type { SavedBy } from './reading-runs.ts';
import { inTransaction } from './transaction.ts';

export const costKeys = ['customer', 'agent', 'model', 'day', 'tier', 'tool', 'run'] as const;
export type CostKey = (typeof costKeys)[number];

/** Money in micro-dollars. */
export interface CostSums {
  /** All that was charged: model calls, and what tools reported. */
  readonly costMicroUsd: number;
  /**
   * The part of it for which the provider told no usage (a dead worker, a cut stream, a time-out): charged in full, it
   * may have been billed less, or not at all. Its tokens are in no sum.
   */
  readonly unprovenMicroUsd: number;
  /** The part of it that tools reported (`ctx.cost`). */
  readonly toolsMicroUsd: number;
  /** All prompt tokens, the cached ones included. */
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  /** Calls, however often each was tried; those that a cache answered, too. */
  readonly modelCalls: number;
  readonly toolCalls: number;
  /** Tries of all of them. */
  readonly attempts: number;
  /** Runs with an attempt in it; a sub-agent's is a run of its own. */
  readonly runs: number;
  /** What choices saved, as the journal says; below zero what turned out to be in vain. */
  readonly savedMicroUsd: Readonly<Record<SavedBy, number>>;
}

/**
 * Sums of one group. It has the keys that were asked for and no others; `model` and `tier` are null for tools, `tool` is
 * null for model calls, `customer` is empty for runs without one.
 */
export interface CostRow extends CostSums {
  readonly customer?: string;
  readonly agent?: string;
  readonly model?: string | null;
  /** UTC. */
  readonly day?: string;
  readonly tier?: string | null;
  readonly tool?: string | null;
  readonly run?: string;
}

export interface CostQuestion {
  readonly by: readonly CostKey[];
  /** Attempts that began at or after this ... */
  readonly since: Date;
  /** ... and before this. */
  readonly until?: Date;
  readonly customer?: string;
  readonly agent?: string;
  readonly limit: number;
  /** Default `limits.costsMsMax`. */
  readonly withinMs?: number;
}

/** How each key is read: from an attempt, in the first grouping; or from its run, in the second. */
const ofAttempt: Partial<Record<CostKey, string>> = {
  model: `case when a.kind = 'model' then a.name end`,
  day: `(a.started_at at time zone 'UTC')::date`,
  tier: 'a.tier',
  tool: `case when a.kind = 'tool' then a.name end`,
};
const ofRun: Partial<Record<CostKey, string>> = {
  customer: 'r.customer',
  agent: 'r.agent',
  run: 'r.id',
};

const sums = [
  'cost',
  'unproven',
  'tools',
  'input',
  'cached',
  'output',
  'model_calls',
  'tool_calls',
  'attempts',
  'saved_cache',
  'saved_routing',
  'saved_short',
] as const;

/**
 * Groups, by day and then the dearest first, with the sums over all of them.
 *
 * A child run's cost in its parent's journal is left out, as its own attempts are there; so are imported runs, which
 * were paid for elsewhere. Attempts under way are not in the journal yet.
 * @throws StorageUnavailable  Also where it takes too long: its cause then has PostgreSQL's code 57014.
 */
export async function readCosts(
  database: Database,
  question: CostQuestion,
): Promise<{
  readonly rows: readonly CostRow[];
  readonly total: CostSums;
  /** How many there are, listed or not. */
  readonly groups: number;
}> {
  const { by, limit, withinMs = limits.costsMsMax } = question;
  const values: unknown[] = [];
  const text = costsQuery(question, (value) => `$${values.push(value)}`);
  const found = await inTransaction(database, 'read', async (query) => {
    // Ended by the server, or it would go on for nobody. Its groups fit into memory, mostly.
    await query({ text: `set local statement_timeout = ${Math.round(withinMs)}` });
    await query({ text: "set local work_mem = '32MB'" });
    return query<Readonly<Record<string, unknown>>>({ text }, values);
  });
  const total = found.find((row) => row['is_total'] === true) ?? {};
  const rows = found.filter((row) => row !== total).slice(0, limit);
  return {
    rows: rows.map((row) => ({
      ...Object.fromEntries(by.map((key) => [key, row[key] ?? null])),
      ...toSums(row),
    })),
    total: toSums(total),
    groups: Number(total['groups'] ?? 0),
  };
}

/**
 * First by run, so that the journal is read once, joined with few rows, and runs are counted without sorting.
 * @param put  Takes a value and gives the name of its parameter.
 */
function costsQuery(
  { by, since, until, customer, agent, limit }: CostQuestion,
  put: (value: unknown) => string,
): string {
  const own = by.filter((key) => ofAttempt[key] !== undefined);
  const runs = [
    ...(customer === undefined ? [] : [`r.customer = ${put(customer)}`]),
    ...(agent === undefined ? [] : [`r.agent = ${put(agent)}`]),
  ];
  const keys = by.join(', ');
  const added = sums.map((sum) => `coalesce(sum(${sum}), 0)::bigint as ${sum}`).join(', ');
  const order = [...by.filter((key) => key === 'day'), 'cost desc', ...by.filter((key) => key !== 'day')]; // prettier-ignore
  return `with per as (
      select a.run_no, ${own.map((key) => `${ofAttempt[key]} as by_${key}, `).join('')}
        sum(a.cost_micro_usd) as cost,
        sum(a.cost_micro_usd) filter (where a.kind = 'model' and a.input_tokens is null) as unproven,
        sum(a.cost_micro_usd) filter (where a.kind = 'tool') as tools,
        sum(a.input_tokens) as input, sum(a.cached_tokens) as cached, sum(a.output_tokens) as output,
        count(*) filter (where a.kind = 'model' and a.number = 1 and a.finish_reason is distinct from 'short-circuit') as model_calls,
        count(*) filter (where a.kind = 'tool' and a.number = 1) as tool_calls,
        count(*) as attempts,
        sum((a.saved->>'cache')::numeric) as saved_cache, sum((a.saved->>'routing')::numeric) as saved_routing,
        sum((a.saved->>'short-circuit')::numeric) as saved_short
      from belayer.attempt a
      where a.kind <> 'child' and a.started_at >= ${put(since)}${until === undefined ? '' : ` and a.started_at < ${put(until)}`}
        ${runs.length === 0 ? '' : `and a.run_no in (select r.no from belayer.run r where ${runs.join(' and ')})`}
      group by a.run_no${own.map((key) => `, by_${key}`).join('')}
    ), joined as materialized (
      select per.run_no, ${by.map((key) => `${ofRun[key] ?? `per.by_${key}`} as ${key}, `).join('')}
        ${sums.map((sum) => `per.${sum}`).join(', ')}
      from per join belayer.run r on r.no = per.run_no
      where not exists (select from belayer.imported i where i.run_no = per.run_no)
    ), grouped as (
      select ${keys}, ${added}, count(*) as runs from joined group by ${keys}
    )
    select true as is_total, ${by.map((key) => `null::text as ${key}`).join(', ')}, ${added},
      count(distinct run_no) as runs, (select count(*) from grouped) as groups from joined
    union all
    select * from (select false, ${by.map((key) => `${key}::text`).join(', ')}, ${sums.join(', ')}, runs, 0
      from grouped order by ${order.join(', ')} limit ${put(limit)}) listed`;
}

function toSums(row: Readonly<Record<string, unknown>>): CostSums {
  const number = (name: string): number => Number(row[name] ?? 0);
  return {
    costMicroUsd: number('cost'),
    unprovenMicroUsd: number('unproven'),
    toolsMicroUsd: number('tools'),
    inputTokens: number('input'),
    cachedInputTokens: number('cached'),
    outputTokens: number('output'),
    modelCalls: number('model_calls'),
    toolCalls: number('tool_calls'),
    attempts: number('attempts'),
    runs: number('runs'),
    savedMicroUsd: {
      cache: number('saved_cache'),
      routing: number('saved_routing'),
      'short-circuit': number('saved_short'),
    },
  };
}

/**
 * Adds what a tool reported to an attempt that is in the journal already, and to the run and the windows that it
 * counts under. False: there is no such attempt. Asked again after a commit that was not heard of, it counts twice: the
 * safe side of a rare case.
 */
export async function addToolCost(
  database: Database,
  cost: {
    readonly runNo: number;
    readonly position: string;
    readonly attempt: number;
    readonly microUsd: number;
  },
): Promise<boolean> {
  const [row] = await database.query<{ added: boolean }>(
    { name: 'add_tool_cost', text: 'select belayer.add_tool_cost($1,$2,$3,$4) as added' },
    [cost.runNo, cost.position, cost.attempt, cost.microUsd],
  );
  return row?.added ?? false;
}
