/** Two texts beside each other, or, where a terminal is narrow, below each other. */
import { safeText } from './safe-text.ts';

export interface FieldRow {
  readonly label: string;
  readonly differs: boolean;
  /** Foreign text, not yet escaped; `undefined` where a side has nothing. */
  readonly a: string | undefined;
  readonly b: string | undefined;
}

/** Narrower, a value in half of a line is a column of fragments. */
const columnsForTwo = 80;
const labelColumns = 12;
const between = ' │ ';

/** `width` in columns of a terminal. What could steer it is escaped. */
export const fieldLines = (rows: readonly FieldRow[], width: number): readonly string[] =>
  rows.flatMap((row) => (width < columnsForTwo ? stacked(row, width) : beside(row, width)));

function beside({ label, differs, a, b }: FieldRow, width: number): readonly string[] {
  const columns = Math.floor((width - labelColumns - between.length) / 2);
  const left = wrapped(a ?? nothing, columns);
  const right = wrapped(b ?? nothing, columns);
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) => {
    const name = index === 0 ? `${markOf(differs)} ${label}` : '';
    const one = left[index] ?? '';
    const pad = ' '.repeat(columns - widthOf(one));
    return `${name.padEnd(labelColumns)}${one}${pad}${between}${right[index] ?? ''}`.trimEnd();
  });
}

function stacked({ label, differs, a, b }: FieldRow, width: number): readonly string[] {
  const columns = Math.max(1, width - '  A '.length);
  const side = (name: string, text: string | undefined): readonly string[] =>
    wrapped(text ?? nothing, columns).map((line, index) =>
      `  ${index === 0 ? name : ' '} ${line}`.trimEnd(),
    );
  if (a === b) return [`${markOf(differs)} ${label}`, ...side('=', a)];
  return [`${markOf(differs)} ${label}`, ...side('A', a), ...side('B', b)];
}

const nothing = '-';
const markOf = (differs: boolean): string => (differs ? '≠' : ' ');

/** Lines of at most `columns`, cut between characters as a reader sees them. */
function wrapped(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  for (const whole of safeText(text).replaceAll('\t', '  ').split('\n')) {
    if (isPlain(whole)) {
      for (let at = 0; at === 0 || at < whole.length; at += columns)
        lines.push(whole.slice(at, at + columns));
      continue;
    }
    let line = '';
    let used = 0;
    for (const { segment } of characters.segment(whole)) {
      const needs = widthOfCharacter(segment);
      if (used + needs > columns && line !== '') {
        lines.push(line);
        line = '';
        used = 0;
      }
      line += segment;
      used += needs;
    }
    lines.push(line);
  }
  return lines;
}

/** One column for each: most of what is printed, and telling characters apart takes long. */
const isPlain = (text: string): boolean => /^[ -~]*$/.test(text);

const characters = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Columns that a text takes in a terminal. */
export function widthOf(text: string): number {
  if (isPlain(text)) return text.length;
  let width = 0;
  for (const { segment } of characters.segment(text)) width += widthOfCharacter(segment);
  return width;
}

const widthOfCharacter = (character: string): number =>
  wide.test(character) ? 2 : /^\p{M}/u.test(character) ? 0 : 1;

/** East Asian Wide and Fullwidth of Unicode Standard Annex 11, by blocks, and what is drawn as emoji. */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]|\ufe0f/u;
