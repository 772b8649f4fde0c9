import { LRUCache } from 'lru-cache';
import { overrideAt, type OverridePrice, type PriceOverrides } from './price-overrides.ts';
import { type Price, priceOf } from './prices.ts';

/** The price of a model at a moment, by default now; undefined where it has none. */
export type PriceBook = (model: string, at?: Date) => Price | undefined;

/**
 * `priceOf`, remembered: an override as it is written, a price of the package for its day in UTC, on which all of
 * its changes begin. So a call at the first instant of a new price has the new price.
 */
export function priceBook(overrides: PriceOverrides | undefined): PriceBook {
  const written = new WeakMap<OverridePrice, Price | undefined>();
  const ofPackage = new LRUCache<string, { readonly price: Price | undefined }>({ max: 1_000 });
  return (model, at = new Date()) => {
    const override = overrideAt(overrides, model, at);
    const ask = (): Price | undefined =>
      priceOf(model, { at, ...(overrides === undefined ? {} : { overrides }) });
    if (override !== undefined) {
      const price = written.get(override) ?? ask();
      written.set(override, price);
      return price;
    }
    const key = `${at.toISOString().slice(0, 10)} ${model}`;
    const known = ofPackage.get(key) ?? { price: ask() };
    ofPackage.set(key, known);
    return known.price;
  };
}
