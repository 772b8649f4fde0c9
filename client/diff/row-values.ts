/** Values of rows, whose columns are text, numbers, or nothing. */
import { limits } from '../../contracts/limits.ts';
import type { Row } from '../../storage/trails/trail-rows.ts';

export function textIn(row: Row | undefined, column: string): string | undefined {
  const value = row?.[column];
  return typeof value === 'string' ? value : undefined;
}

/** 0 where there is none. */
export const numberIn = (row: Row | undefined, column: string): number =>
  Number(row?.[column] ?? 0) || 0;

/**
 * A JSON value; the text itself where it is none, or one that cannot be compared: nested too deep, or with a
 * number beyond what a double holds, which would be equal to every other such.
 */
export function jsonOf(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isComparable(value, limits.diffDepthMax) ? value : text;
  } catch {
    return text;
  }
}

function isComparable(value: unknown, depthLeft: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return depthLeft > 0 && Object.values(value).every((inner) => isComparable(inner, depthLeft - 1));
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
