/** Values of rows, whose columns are text, numbers, or nothing. */
import type { Row } from '../../storage/trails/trail-rows.ts';

export function textIn(row: Row | undefined, column: string): string | undefined {
  const value = row?.[column];
  return typeof value === 'string' ? value : undefined;
}

/** 0 where there is none. */
export const numberIn = (row: Row | undefined, column: string): number =>
  Number(row?.[column] ?? 0) || 0;

/** A JSON value; the text itself where it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
