import type { CachePolicy } from '../contracts/definitions.ts';

/**
 * Who shares a kept reply or result: the one place that says so. Equal calls of two scopes never meet, neither as
 * entries nor as calls that wait for each other. What forbids sharing besides customers belongs into this text.
 *
 * No customer is a scope of its own, and not the public one. A customer's name cannot make another scope.
 */
export function cacheScope(
  policy: Pick<CachePolicy, 'public'>,
  caller: { readonly customer?: string | undefined },
): string {
  if (policy.public === true) return 'public';
  const { customer } = caller;
  return customer === undefined || customer === '' ? 'none' : `customer/${customer}`;
}
