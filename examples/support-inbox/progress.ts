/** The screen: one line per step, and what it all came to. */
import { formatWithOptions } from 'node:util';
import pc from 'picocolors';

export interface Screen {
  /** A line for a person, above a question that may be open. */
  line(text: string): void;
  /** A line of one mail. */
  of(mail: string, text: string): void;
  /** Set while a question is open: writes the line without spoiling what is being typed. */
  above: ((text: string) => void) | undefined;
}

const nameWidth = 27;

export function createScreen(): Screen {
  const began = performance.now();
  const screen: Screen = {
    above: undefined,
    line(text) {
      if (screen.above === undefined) process.stdout.write(`${text}\n`);
      else screen.above(text);
    },
    of(mail, text) {
      const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(6);
      screen.line(`${pc.dim(`${seconds}s`)}  ${short(mail).padEnd(nameWidth)}  ${text}`);
    },
  };
  return screen;
}

const short = (file: string): string => {
  const name = visible(file.replace(/\.eml$/i, ''));
  return name.length <= nameWidth ? name : `${name.slice(0, nameWidth - 1)}…`;
};

export const at = (position: string, kind: string, text: string): string =>
  `${pc.dim(position.split('/')[0]?.padEnd(4) ?? '')} ${kind.padEnd(6)} ${text}`;

/** The last line of a mail. `before`: an earlier start had brought it to its end. */
export const ended = (
  resolution: string,
  summary: string,
  when: 'now' | 'before' = 'now',
): string =>
  at(
    '',
    when === 'now' ? 'end' : 'before',
    `${resolution === 'failed' ? pc.red(resolution) : pc.bold(resolution)}: ${visible(cut(summary))}`,
  );

/** The time alone where it is less than half a day away. */
export const clock = (date: Date): string =>
  date.getTime() - Date.now() < 12 * 60 * 60 * 1000
    ? date.toLocaleTimeString()
    : date.toLocaleString();

const summaryCharsMax = 160;
export const cut = (text: string): string =>
  text.length <= summaryCharsMax ? text : `${text.slice(0, summaryCharsMax)}…`;

/** A letter on one line; where it has a greeting and a closing, without them. */
export const quoted = (letter: string): string => {
  const paragraphs = letter.trim().split(/\n\s*\n/);
  const body = paragraphs.length < 3 ? paragraphs : paragraphs.slice(1, -1);
  return pc.dim(`"${visible(cut(body.join(' ').replaceAll(/\s+/g, ' ')))}"`);
};

export const micro = (microUsd: number): string => `$${(microUsd / 1_000_000).toFixed(4)}`;

/**
 * Text of strangers, fit for a terminal: what would move the cursor, hide or reorder text is spelled
 * out instead.
 */
export const visible = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );

/** Two columns under a heading. */
export function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${pc.dim(name.padEnd(width))}  ${value}`).join('\n');
}

export const plain = (error: unknown): string =>
  error instanceof Error
    ? visible(error.message).replaceAll('\\u{a}', '\n')
    : formatWithOptions({}, error);
