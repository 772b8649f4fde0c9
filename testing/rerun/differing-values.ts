import { limits } from '../../contracts/limits.ts';
import { firstDifference } from '../replay/first-difference.ts';

export interface DifferingValues {
  readonly path: string;
  readonly recorded?: unknown;
  readonly now?: unknown;
}

/** Where two requests to a model first differ, as values that can be read: long texts are cut around the place. */
export function differingValues(recorded: string, now: string): DifferingValues {
  const [then, today] = [parse(recorded), parse(now)];
  const found = firstDifference(then, today) ?? { path: '', recorded, today: now };
  const [left, right] = around(found.recorded, found.today);
  return {
    path: found.path,
    ...(left === undefined ? {} : { recorded: left }),
    ...(right === undefined ? {} : { now: right }),
  };
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};

/** Two long texts, each cut to what stands around their first difference. */
export function around(left: unknown, right: unknown): readonly [unknown, unknown] {
  const max = limits.rerunValueCharsMax;
  const isLong = (value: unknown): boolean => typeof value === 'string' && value.length > max;
  if (!isLong(left) && !isLong(right)) return [left, right];
  if (typeof left !== 'string' || typeof right !== 'string') return [cut(left, 0), cut(right, 0)];
  let same = 0;
  while (same < left.length && left[same] === right[same]) same += 1;
  const from = Math.max(0, same - Math.floor(max / 2));
  return [cut(left, from), cut(right, from)];
}

function cut(value: unknown, from: number): unknown {
  const max = limits.rerunValueCharsMax;
  if (typeof value !== 'string' || value.length <= max) return value;
  const to = from + max;
  return `${from > 0 ? '… ' : ''}${value.slice(from, to)}${to < value.length ? ' …' : ''}`;
}
