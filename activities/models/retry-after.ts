/** The longest wait that a provider can ask of us, in milliseconds. More is cut to this. */
export const retryAfterMsMax = 60_000;

/**
 * Reads how long a provider wants to be left alone: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date.
 *
 * @returns whole milliseconds, 0 < delay <= `retryAfterMsMax`; undefined where nothing usable is said.
 */
export function retryAfterMsFrom(headers: HeaderReader, now: number): number | undefined {
  const inMs = Number.parseFloat(headers.get('retry-after-ms') ?? '');
  const delay = Number.isNaN(inMs) ? delayFrom(headers.get('retry-after'), now) : inMs;
  // NaN fails this comparison too.
  if (!(delay > 0)) return undefined;
  return Math.min(Math.ceil(delay), retryAfterMsMax);
}

export interface HeaderReader {
  get(name: string): string | null;
}

const decimal = /^\s*\d+(\.\d+)?\s*$/;

function delayFrom(value: string | null, now: number): number {
  if (value === null) return Number.NaN;
  return decimal.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
}
