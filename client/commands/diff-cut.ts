/** Values as texts, cut around the first place where two of them differ. */
import { limits } from '../../contracts/limits.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';

/**
 * Text as it is; other JSON over several lines where one would be long. Keys are sorted: two values whose
 * keys came in another order then stand alike, and what differs in them is at the same place.
 */
export function valueText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  const line = canonicalJson(value);
  return line.length <= oneLineChars ? line : JSON.stringify(JSON.parse(line), undefined, 2);
}

/** Fits into one column of a usual terminal. */
const oneLineChars = 40;

type Pair = readonly [a: string | undefined, b: string | undefined];

/** Both texts cut at the same place, with how much was left out; short ones stay whole. */
export function cutAroundDifference([a, b]: Pair): Pair {
  const max = limits.diffValueCharsMax;
  if (Math.max(a?.length ?? 0, b?.length ?? 0) <= max) return [a, b];
  const first = a === undefined || b === undefined ? 0 : firstDifferenceIn(a, b);
  const from = Math.max(0, first - limits.diffBeforeCharsMax);
  return [a && cut(a, from, max), b && cut(b, from, max)];
}

function cut(text: string, from: number, max: number): string {
  const start = whole(text, Math.min(from, text.length));
  const end = whole(text, Math.min(start + max, text.length));
  return `${leftOut(start, 'before')}${text.slice(start, end)}${leftOut(text.length - end, 'behind')}`;
}

const leftOut = (chars: number, where: 'before' | 'behind'): string => {
  if (chars === 0) return '';
  const said = `[… ${chars.toLocaleString('en-US')} character${chars === 1 ? '' : 's'}]`;
  return where === 'before' ? `${said} ` : ` ${said}`;
};

/** Never between the halves of a character. */
const whole = (text: string, at: number): number => {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
};

function firstDifferenceIn(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) if (a[at] !== b[at]) return at;
  return length;
}
