/** What runs have cost and saved, in groups. */
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { readDuration, readMoment } from '../definitions/internal.ts';
import {
  type CostKey,
  costKeys,
  type CostRow,
  type CostSums,
  readCosts,
} from '../storage/costs.ts';
import { refuse, shown, textMistakes, unstorableMistakes, wordMistakes } from './check-words.ts';
import type { Parts } from './parts.ts';

export interface CostOptions {
  /** What makes a group. Default `['customer']`. */
  readonly by?: readonly CostKey[];
  /**
   * Attempts that began at or after this: a duration back from now (`'7d'`, milliseconds), a day in UTC, an instant, a Date. Default 7
   * days: the further back, the more of the journal is read.
   */
  readonly since?: string | number | Date;
  /** And before this. Default now. */
  readonly until?: string | number | Date;
  readonly customer?: string;
  readonly agent?: string;
  /** Groups that are listed; the total is over all. Default 1,000, at most 100,000. */
  readonly limit?: number;
}

export interface Costs {
  readonly by: readonly CostKey[];
  readonly since: Date;
  readonly until: Date;
  /** By day where that is asked, then the dearest first. */
  readonly rows: readonly CostRow[];
  /** Over all groups, listed or not. Runs count once, also where they are in several groups. */
  readonly total: CostSums;
  /** Groups behind the limit. */
  readonly left: number;
}

/** @throws InputRejected  Names every option that does not fit. */
export async function costsOf(
  { database }: Pick<Parts, 'database'>,
  options: CostOptions = {},
  { now = new Date(), withinMs = limits.costsMsMax } = {},
): Promise<Costs> {
  const known = ['by', 'since', 'until', 'customer', 'agent', 'limit'];
  const { by = ['customer'], since, until, customer, agent, limit } = options ?? {};
  const from = readTime(since ?? limits.costsSinceMsDefault, now);
  const to = readTime(until ?? now, now);
  refuse(
    '`costs`',
    [
      // Elsewhere `by` is who does something; here it is checked below.
      ...wordMistakes(isObject(options) ? { ...options, by: undefined } : options, { known }),
      ...unstorableMistakes(options),
      ...keyMistakes(by),
      ...('problem' in from ? [`\`since\` ${from.problem}`] : []),
      ...('problem' in to ? [`\`until\` ${to.problem}`] : []),
      ...('at' in from && 'at' in to && from.at >= to.at
        ? [`\`since\` (${from.at.toISOString()}) is not before \`until\` (${to.at.toISOString()})`]
        : []),
      ...(agent === undefined ? [] : textMistakes('agent', agent, limits.agentNameCharsMax)),
      ...(customer === undefined ? [] : textMistakes('customer', customer, limits.customerCharsMax)), // prettier-ignore
      ...limitMistakes(limit),
    ],
    'Nothing was read.',
  );
  if ('problem' in from || 'problem' in to) throw new BelayerError(failureType.inputRejected, 'No time.'); // prettier-ignore
  const { rows, total, groups } = await readCosts(database, {
    by,
    since: from.at,
    // The newest calls are in it also where this clock is behind the database's.
    ...(until === undefined ? {} : { until: to.at }),
    limit: limit ?? limits.costsRowsDefaultMax,
    withinMs,
    ...(customer === undefined ? {} : { customer }),
    ...(agent === undefined ? {} : { agent }),
  }).catch((error: unknown) => {
    throw isTooMuch(error) ? tooMuch(from.at, to.at) : error;
  });
  return { by, since: from.at, until: to.at, rows, total, left: groups - rows.length };
}

/** PostgreSQL ended it: it took longer than it may. */
const isTooMuch = (error: unknown): boolean =>
  error instanceof BelayerError && (error.cause as { readonly code?: unknown })?.code === '57014';

const tooMuch = (since: Date, until: Date): BelayerError =>
  new BelayerError(
    failureType.inputRejected,
    `\`costs\`: summing up ${since.toISOString()} to ${until.toISOString()} took longer than it may (\`costsMsMax\`, ${limits.costsMsMax} ms). Ask for a shorter span, or for one customer or agent.`,
  );

function readTime(value: unknown, now: Date): { readonly at: Date } | { readonly problem: string } {
  const moment = readMoment(value);
  if ('at' in moment) return moment;
  const back = readDuration(value, { minMs: 0, maxMs: limits.costsSinceMsMax, maxName: 'costsSinceMsMax' }); // prettier-ignore
  if ('ms' in back) return { at: new Date(now.getTime() - back.ms) };
  // What looks like a date is told as one.
  return {
    problem:
      typeof value === 'string' && /^\d{4}-/.test(value)
        ? `is \`${value.slice(0, 40)}\`; it ${moment.problem}`
        : `must be a duration back from now such as 7d or 24h, or a day in UTC such as 2026-10-01: ${back.problem}`,
  };
}

function keyMistakes(by: unknown): string[] {
  const list = `it must be a list of one or more of ${costKeys.join(', ')}`;
  if (!Array.isArray(by) || by.length === 0) return [`\`by\` is ${shown(by)}; ${list}`];
  return [...new Set<unknown>(by)].flatMap((key) => [
    ...(costKeys.some((known) => known === key)
      ? []
      : [`\`by\` names ${typeof key === 'string' && key !== '' ? `\`${key.slice(0, 40)}\`` : shown(key)}; ${list}`]), // prettier-ignore
    ...(typeof key !== 'string' || key === '' || by.indexOf(key) === by.lastIndexOf(key)
      ? []
      : [`\`by\` names \`${String(key).slice(0, 40)}\` twice`]),
  ]);
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const limitMistakes = (limit: unknown): string[] =>
  limit === undefined ||
  (Number.isSafeInteger(limit) && Number(limit) >= 1 && Number(limit) <= limits.costsRowsMax)
    ? []
    : [`\`limit\` is ${shown(limit)}; it must be a whole number from 1 to ${limits.costsRowsMax}`];
