/** Throttles as tables. */
import type {
  ProviderRate,
  ThrottleAmounts,
  ThrottleChange,
  ThrottleRow,
} from '../../storage/throttles.ts';
import { moment } from './amounts.ts';
import { safeLine } from './safe-text.ts';
import { table } from './table.ts';

export const throttlesTable = (rows: readonly ThrottleRow[]): string =>
  table(
    [
      'CUSTOMER',
      'RUNS',
      'QUEUED',
      'MODEL CALLS',
      'REQUESTS/MIN',
      'TOKENS/MIN',
      'WAITING',
      'SET BY',
    ],
    rows.map((row) => [
      customerOf(row.customer),
      of(row.runsInFlight, row.runs),
      String(row.runsQueued),
      row.modelCalls === null ? '-' : of(row.modelCallsInFlight, row.modelCalls),
      amount(row.requestsPerMinute),
      amount(row.tokensPerMinute),
      String(row.waiting),
      row.setBy === null ? 'default' : safeLine(row.setBy, 40),
    ]),
  );

export const providersTable = (rates: readonly ProviderRate[]): string =>
  table(
    ['PROVIDER', 'MODEL', 'REQUESTS/MIN', 'REFUSED AT', 'SINCE (UTC)', 'TIMES', 'WAITING'],
    rates.map((rate) => [
      safeLine(rate.provider, 80),
      safeLine(rate.model, 60),
      String(Math.round(rate.perMinute)),
      String(Math.round(rate.refusedPerMinute)),
      moment(rate.loweredAt),
      String(rate.loweredTimes),
      String(rate.waiting),
    ]),
  );

export const throttleChangesTable = (changes: readonly ThrottleChange[]): string =>
  table(
    ['AT (UTC)', 'CUSTOMER', 'ACTION', 'FROM', 'TO', 'BY', 'REASON'],
    changes.map((change) => [
      moment(change.at),
      customerOf(change.customer),
      change.action,
      amounts(change.before),
      amounts(change.after),
      safeLine(change.by, 40),
      change.reason === null ? '' : safeLine(change.reason, 120),
    ]),
  );

const customerOf = (customer: string | null): string =>
  customer === null ? 'all' : safeLine(customer, 128);
const amount = (max: number | null): string => (max === null ? '-' : String(max));
const of = (now: number, max: number | null): string =>
  max === null ? String(now) : `${now} of ${max}`;

function amounts(state: ThrottleAmounts | null): string {
  if (state === null) return '-';
  return [
    ...(state.runs === null ? [] : [`${state.runs} runs`]),
    ...(state.modelCalls === null ? [] : [`${state.modelCalls} model calls`]),
    ...(state.requestsPerMinute === null ? [] : [`${state.requestsPerMinute} requests/min`]),
    ...(state.tokensPerMinute === null ? [] : [`${state.tokensPerMinute} tokens/min`]),
  ].join(', ');
}
