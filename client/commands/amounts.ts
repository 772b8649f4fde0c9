/** Money, tokens and time as a person reads them. */

/** Six digits below a cent, since most model calls cost less. */
export function usd(microUsd: number): string {
  const dollars = microUsd / 1_000_000;
  const digits = microUsd !== 0 && Math.abs(dollars) < 0.01 ? 6 : 4;
  return `${microUsd < 0 ? '-' : ''}$${Math.abs(dollars).toFixed(digits)}`;
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} days`;
}

export const tokens = (count: number): string => `${count} token${count === 1 ? '' : 's'}`;

/** UTC to the second: `2026-11-22 20:37:42`. */
export const moment = (at: Date | string): string =>
  new Date(at).toISOString().slice(0, 19).replace('T', ' ');
