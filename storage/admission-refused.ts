/** What a start is judged by where places are short, and how it is told that even the queue is full. */
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';

/** What a start is judged by where no rule says otherwise. */
export const admissionLimits = {
  runs: limits.runsInFlightMaxDefault,
  share: limits.runsOfOneCustomerFactor,
  queued: limits.runsQueuedMax,
  queuedOfCustomer: limits.runsQueuedOfCustomerMax,
} as const;

interface FullQueue {
  readonly queue: 'customer' | 'installation';
  readonly customer: string;
  readonly queued: number;
  readonly queuedOfAll: number;
  readonly queuedMax: number;
  readonly runsMax: number;
}

/** SQLSTATE BL002 is `start_in_turn`'s own; any other error stays as it is. */
export function toAdmissionRefused(error: unknown): unknown {
  const { code, detail } = error as { readonly code?: unknown; readonly detail?: unknown };
  if (code !== 'BL002' || typeof detail !== 'string') return error;
  const full = JSON.parse(detail) as FullQueue;
  const isOwn = full.queue === 'customer';
  const whose = isOwn && full.customer !== '' ? `of customer \`${full.customer}\` are` : 'are';
  return new BelayerError(
    failureType.admissionRefused,
    `${isOwn ? full.queued : full.queuedOfAll} runs ${whose} queued already, behind ${full.runsMax} in flight; ${full.queuedMax} may queue. Nothing was started. Start it again when some have ended: \`belayer throttle show\` says how many wait. More workers, with a higher BELAYER_RUNS_IN_FLIGHT, work the queue off faster.`,
    { cause: error },
  );
}
