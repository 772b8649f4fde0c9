/** How much of a customer, or of all, runs at once and how fast: set, shown, removed. */
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { throttleWords } from '../rules/throttle-words.ts';
import { checkedLimit } from '../storage/reading-runs.ts';
import {
  type ProviderRate,
  readProviderRates,
  readThrottleChanges,
  readThrottles,
  removeThrottle,
  setThrottle,
  type ThrottleChange,
  type ThrottleRow,
} from '../storage/throttles.ts';
import { refuse, shown, textMistakes, unstorableMistakes, wordMistakes } from './check-words.ts';
import type { Parts } from './parts.ts';

export interface ThrottleTarget {
  /** `*`: each customer by itself. The throttle of a named customer takes its place, as a whole. */
  readonly customer?: string;
  /** Of all runs together. */
  readonly installation?: true;
}

interface ThrottleWords {
  /** Default: who connected. */
  readonly by?: string;
  readonly reason?: string;
}

/** At least one amount. What is absent is not bounded by this throttle. */
export interface SetThrottle extends ThrottleTarget, ThrottleWords {
  /** Runs in flight; the next ones queue. At most 1,000,000. */
  readonly runs?: number;
  /** Model calls in flight, those of sub-agents among them. At most 100,000. */
  readonly modelCalls?: number;
  /** Model calls in any 60 seconds. At most 1,000,000. */
  readonly requestsPerMinute?: number;
  /** Tokens in any 60 seconds, by each call's worst case until it is known. At most 10^12. */
  readonly tokensPerMinute?: number;
}

export interface Throttles {
  /**
   * Sets a throttle, new or in place of what it was. Holds for every start and every model call from then on, in
   * running runs as well; what is in flight goes on.
   *
   * @throws InputRejected  Names every option that does not fit; nothing was set.
   */
  set(throttle: SetThrottle): Promise<void>;
  /** Throttles, and what is under each now. The installation's row is there even where nobody set it. Default limit 500. */
  show(options?: {
    readonly customer?: string;
    readonly limit?: number;
  }): Promise<readonly ThrottleRow[]>;
  /** Providers' models that refused calls for their rate, and are asked less often at present. */
  providers(): Promise<readonly ProviderRate[]>;
  /** Who changed what, newest first, at most 200. */
  history(options?: { readonly customer?: string }): Promise<readonly ThrottleChange[]>;
  /** Ends a throttle: who waits under it goes on. @throws InputRejected  There is no such throttle. */
  remove(target: ThrottleTarget & ThrottleWords): Promise<void>;
}

export function throttlesOn({
  database,
  by: connected,
}: Pick<Parts, 'database' | 'by'>): Throttles {
  return {
    async set(throttle) {
      const customer = checkedTarget('set', throttle, setNames, amountMistakes);
      const { runs, modelCalls, requestsPerMinute, tokensPerMinute } = throttle;
      await setThrottle(database, {
        customer,
        runs: runs ?? null,
        modelCalls: modelCalls ?? null,
        requestsPerMinute: requestsPerMinute ?? null,
        tokensPerMinute: tokensPerMinute ?? null,
        by: throttle.by ?? connected,
        reason: throttle.reason ?? null,
      });
    },
    async show(options = {}) {
      const { customer, limit = 500 } = checkedFilter('show', options, ['limit']);
      return readThrottles(database, {
        ...(customer === undefined ? {} : { customer }),
        limit: checkedLimit(limit, limits.throttlesShownMax),
      });
    },
    providers: () => readProviderRates(database),
    async history(options = {}) {
      return readThrottleChanges(database, checkedFilter('history', options, []));
    },
    async remove(target) {
      const customer = checkedTarget('remove', target, targetNames, () => []);
      const { by = connected, reason = null } = target;
      if (await removeThrottle(database, { customer, by, reason })) return;
      throw new BelayerError(
        failureType.inputRejected,
        `There is no such thing as ${throttleWords(customer)}. \`belayer throttle show\` lists what there is. Nothing was changed.`,
      );
    },
  };
}

const targetNames = ['customer', 'installation', 'by', 'reason'];
const amountsMax = {
  runs: limits.runsInFlightMax,
  modelCalls: limits.throttleModelCallsMax,
  requestsPerMinute: limits.throttleRequestsMax,
  tokensPerMinute: limits.throttleTokensMax,
} as const;
const amountNames = Object.keys(amountsMax) as readonly (keyof typeof amountsMax)[];
const setNames = [...targetNames, ...amountNames];

/** The rule's customer; null: all. @throws InputRejected  Names every mistake; nothing was changed. */
function checkedTarget<Given extends ThrottleTarget>(
  call: string,
  given: Given,
  known: readonly string[],
  more: (given: Given) => readonly string[],
): string | null {
  const subject = `\`throttles.${call}\``;
  const nothing = 'Nothing was changed.';
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    refuse(
      subject,
      [`it got ${shown(given)}; it takes an object such as { customer, runs }`],
      nothing,
    );
  const { customer, installation } = given;
  refuse(
    subject,
    [
      ...wordMistakes(given, { known }),
      ...unstorableMistakes(given),
      ...(customer === undefined
        ? []
        : textMistakes('customer', customer, limits.customerCharsMax)),
      ...(installation !== undefined && installation !== true
        ? [`\`installation\` is ${shown(installation)}; it is true or absent`]
        : []),
      ...((customer === undefined) === (installation === undefined)
        ? ['it needs either a `customer` or `installation: true`']
        : []),
      ...more(given),
    ],
    nothing,
  );
  return customer ?? null;
}

function amountMistakes(throttle: SetThrottle): string[] {
  const given = amountNames.filter((name) => throttle[name] !== undefined);
  return [
    ...given.flatMap((name) => {
      const value = throttle[name] as number;
      const max = amountsMax[name];
      return Number.isSafeInteger(value) && value >= 1 && value <= max
        ? []
        : [`\`${name}\` is ${shown(value)}; it must be a whole number from 1 to ${max}`];
    }),
    ...(given.length === 0
      ? [`it needs an amount: ${amountNames.map((name) => `\`${name}\``).join(', ')}, or several`]
      : []),
  ];
}

function checkedFilter<Options extends { readonly customer?: string }>(
  call: string,
  options: Options,
  more: readonly string[],
): Options {
  refuse(
    `\`throttles.${call}\``,
    [
      ...wordMistakes(options, { known: ['customer', ...more] }),
      ...unstorableMistakes(options),
      ...(options?.customer === undefined
        ? []
        : textMistakes('customer', options.customer, limits.customerCharsMax)),
    ],
    'Nothing was read.',
  );
  return options;
}
