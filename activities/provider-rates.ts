/**
 * Models that their provider has refused calls of, for their rate: all workers together ask them less often, and more
 * often again while that goes well (`0012-throttles.ts`).
 *
 * 1. While nothing is slowed, a call costs a look into memory.
 * 2. A call that has to wait has its turn kept for it, so it waits once.
 * 3. What is slowed is one model at one base URL; others are asked as before.
 */
import type { OverBudget } from '../contracts/budgets.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import type { Database } from '../storage/database.ts';
import { countRefusals, slowProvider, takeProviderTurn } from '../storage/throttles.ts';
import type { Log } from './dependencies.ts';
import { waitingTurn } from './throttled.ts';

export interface ProviderRates {
  /**
   * Waits for a turn that is near. What the run is to do about one that is not, or undefined: the call may be made.
   *
   * @throws ModelRateLimited  It was refused as often as a call is tried, and there is no model behind it: waiting for a
   * turn is no way to be tried for ever.
   */
  turn(call: {
    readonly model: string;
    readonly run: string;
    readonly cancelled: AbortSignal;
    readonly position: Position;
    /** The model behind it in the agent's list. */
    readonly next: number | undefined;
  }): Promise<OverBudget | undefined>;
  sent(model: string): void;
  /** The provider refused a call for its rate; it is slowed where that is no single case. Never throws: where it cannot be put on record, the next refusal is. */
  refused(call: {
    readonly model: string;
    /** Which call it was, whatever its attempt. */
    readonly call: string;
    readonly agoMs: number;
    readonly retryAfterMs: number;
  }): Promise<void>;
  /** Replaces what is known to be slowed. */
  setSlowed(slowed: readonly { readonly provider: string; readonly model: string }[]): void;
}

export function createProviderRates(parts: {
  readonly database: Database;
  /** Its base URL. */
  readonly provider: string;
  readonly worker: string;
  readonly log: Log;
}): ProviderRates {
  const { database, provider, worker, log } = parts;
  let slowed = new Set<string>();
  const sentAt = new Map<string, number[]>();
  const refusedAt = new Map<string, { readonly at: number; readonly call: string }[]>();
  const sinceMs = (): number => performance.now() - limits.providerRateSeenMs;
  const newestSent = (model: string): number => {
    const since = sinceMs();
    const newest = (sentAt.get(model) ?? []).filter((at) => at > since);
    sentAt.set(model, newest);
    return newest.length;
  };
  return {
    async turn({ model, run, position, cancelled, next }) {
      if (!slowed.has(model)) return undefined;
      const waitMs = await takeProviderTurn(database, { provider, model, run });
      if (waitMs === undefined) slowed.delete(model);
      if (waitMs === undefined || waitMs === 0) return undefined;
      if (waitMs <= limits.throttleHoldMsMax && !cancelled.aborted) {
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        const still = await takeProviderTurn(database, { provider, model, run });
        if (still === undefined || still === 0) return undefined;
        return wait({ provider, model }, still);
      }
      const refusals = await countRefusals(database, { run, position });
      if (next !== undefined)
        return waitMs > limits.providerTurnMsMax || refusals >= limits.modelAttemptsMax
          ? { ...named({ provider, model }), policy: 'degrade', model: next }
          : wait({ provider, model }, waitMs);
      if (refusals >= limits.modelAttemptsLastMax)
        throw new BelayerError(
          failureType.modelRateLimited,
          `The provider refused the call ${refusals} times for its rate.`,
        );
      return wait({ provider, model }, waitMs);
    },
    sent(model) {
      const seen = sentAt.get(model);
      if (seen === undefined) sentAt.set(model, [performance.now()]);
      else seen.push(performance.now());
      // Of a model that is asked without end, only what is counted is kept.
      if ((seen?.length ?? 0) > sentKeptMax) newestSent(model);
    },
    async refused({ model, call, agoMs, retryAfterMs }) {
      const seen = newestSent(model);
      const since = sinceMs();
      const refusals = (refusedAt.get(model) ?? []).filter(({ at }) => at > since);
      refusals.push({ at: performance.now(), call });
      refusedAt.set(model, refusals);
      // A lonely call has its own retries: to slow everybody for it would cost more than it mends.
      if (
        new Set(refusals.map((each) => each.call)).size < limits.providerRefusedCallsMin ||
        refusals.length < seen * limits.providerRefusedFactor
      )
        return;
      slowed.add(model);
      await slowProvider(database, {
        provider,
        model,
        worker,
        seenPerMinute: (seen * 60_000) / limits.providerRateSeenMs,
        agoMs,
        retryAfterMs,
      }).catch((error: unknown) =>
        log.warn('a provider’s refusal could not be put on record', {
          model,
          error: (error as Error).message,
        }),
      );
    },
    setSlowed(rows) {
      slowed = new Set(rows.flatMap((row) => (row.provider === provider ? [row.model] : [])));
    },
  };
}

const sentKeptMax = 10_000;

const named = ({ provider, model }: { readonly provider: string; readonly model: string }) =>
  ({
    kind: 'over-budget',
    throttle: true,
    rule: 0,
    budget: `the rate of model \`${model}\` at ${provider}`,
    detail: `Its provider refused calls of model \`${model}\` for their rate, so it is asked less often.`,
  }) as const;

const wait = (
  of: { readonly provider: string; readonly model: string },
  waitMs: number,
): OverBudget => waitingTurn(named(of), waitMs);
