import type { CachePolicy, Effect } from '../contracts/definitions.ts';
import type { Duration } from './duration.ts';
import type { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';

/** Replies or results that are kept, and given again to equal calls instead of paying or working for them again. */
export interface Cache {
  /** How old one may be that is given again. At most 30 days. */
  readonly for: Duration;
  /**
   * Shared by all customers: nothing of a customer may be in it. Absent: each customer has its own, and runs
   * without a customer have theirs.
   */
  readonly public?: true;
}

/** `cache` of an agent or a tool, as frozen. Undefined where it is absent, or a mistake. */
export function readCache(
  value: unknown,
  read: FieldReader,
  mistakes: Mistakes,
): CachePolicy | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    mistakes.add(`\`cache\` must be { for, public? }, such as { for: '1 hour' }; ${show(value)} is not`); // prettier-ignore
    return undefined;
  }
  const fields = value as Readonly<Record<string, unknown>>;
  checkKeys(fields, { where: 'cache.', known: ['for', 'public'] }, mistakes);
  if (fields['for'] === undefined) mistakes.add('`cache.for` is missing: how long it is kept');
  if (fields['public'] !== undefined && fields['public'] !== true) {
    mistakes.add(`\`cache.public\` can only be true; ${show(fields['public'])} is not: leave it out`); // prettier-ignore
  }
  const forMs = read.duration('cache.for', fields['for'], 'cacheForMsMax');
  if (forMs === undefined) return undefined;
  return Object.freeze({ forMs, ...(fields['public'] === true ? { public: true as const } : {}) });
}

/** Why the results of a tool can never be kept, or undefined. */
export function whyNotCached(effect: Effect | undefined, approval: unknown): string | undefined {
  if (effect === 'write') return 'is a write: what it does must happen each time';
  if (effect === 'egress')
    return "is of effect 'egress': its arguments leave the house, and each time counts";
  return approval === undefined
    ? undefined
    : 'needs an `approval`, and a human would not be asked about a kept result';
}
