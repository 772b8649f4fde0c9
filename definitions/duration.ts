import { BelayerError, failureType } from '../contracts/failures.ts';
import { show } from './show.ts';

/**
 * Words that people write for a time, as `'20 seconds'`, `'500ms'`, `'1.5 hours'`; or a number of
 * milliseconds. A day is 24 hours. Months and years have no fixed length and are not understood.
 */
export type Duration = number | `${number}${Unit}` | `${number} ${Unit}`;

const unitMs = {
  ms: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  week: 604_800_000,
  weeks: 604_800_000,
} as const;

type Unit = keyof typeof unitMs;

const pattern = /^(\d+(?:\.\d+)?) ?([a-z]+)$/;

/**
 * Reads a duration that somebody else wrote.
 *
 * @returns whole milliseconds (rounded), or what is wrong as the end of a sentence:
 * `"soon" is not a duration; write '20 seconds', ...`.
 */
export function readDuration(
  value: unknown,
  bounds: { readonly minMs?: number; readonly maxMs: number; readonly maxName: string },
): { readonly ms: number } | { readonly problem: string } {
  const ms = parse(value);
  if (ms === undefined) {
    return {
      problem: `${show(value)} is not a duration; write '20 seconds', '500ms', '2 hours' or a number of milliseconds`,
    };
  }
  const minMs = bounds.minMs ?? 1;
  if (ms < minMs) return { problem: `${show(value)} is shorter than ${inWords(minMs)}` };
  if (ms > bounds.maxMs) {
    return {
      problem: `${show(value)} is longer than \`${bounds.maxName}\` (${inWords(bounds.maxMs)})`,
    };
  }
  return { ms };
}

/**
 * Milliseconds of a duration without bounds of its own.
 *
 * @throws BelayerError `DefinitionRejected`, naming the value.
 */
export function toMilliseconds(value: Duration): number {
  const read = readDuration(value, {
    minMs: 0,
    maxMs: Number.MAX_SAFE_INTEGER,
    maxName: 'Number.MAX_SAFE_INTEGER',
  });
  if ('problem' in read) throw new BelayerError(failureType.definitionRejected, read.problem);
  return read.ms;
}

function parse(value: unknown): number | undefined {
  if (typeof value === 'number') {
    return Number.isFinite(value) && value >= 0 ? Math.round(value) : undefined;
  }
  if (typeof value !== 'string') return undefined;
  const [, amount, unit] = pattern.exec(value.trim()) ?? [];
  if (amount === undefined || unit === undefined || !isUnit(unit)) return undefined;
  return Math.round(Number(amount) * unitMs[unit]);
}

function isUnit(text: string): text is Unit {
  return Object.hasOwn(unitMs, text);
}

/** The largest unit that divides it: 2000 is `2 seconds`, 1500 is `1500 ms`. */
export function inWords(ms: number): string {
  for (const unit of ['day', 'hour', 'minute', 'second'] as const) {
    const amount = ms / unitMs[unit];
    if (amount >= 1 && Number.isInteger(amount))
      return `${amount} ${unit}${amount === 1 ? '' : 's'}`;
  }
  return `${ms} ms`;
}
