/** The screen: one line per step, and what it all came to. */
import { formatWithOptions } from 'node:util';
import pc from 'picocolors';
import type { RunEvent } from 'belayer/client';

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

/** One event as a line; undefined for what needs none. */
export function describe(event: RunEvent): string | undefined {
  switch (event.kind) {
    case 'run.started':
      return at('', 'start', pc.dim(event.run));
    case 'model.replied': {
      const asks = counted(
        event.calls.map(
          ({ tool, refused }) => `${tool}${refused === undefined ? '' : ` (${refused})`}`,
        ),
      ).join(', ');
      const outcome = {
        calls: `asks for ${asks}`,
        final: 'ends',
        misfit: 'a reply that does not fit',
        refused: 'refuses',
      }[event.outcome];
      return at(
        event.position,
        'model',
        `${outcome}${pc.dim(`  ${micro(event.costMicroUsd)}, ${event.inputTokens + event.outputTokens} tokens`)}${again(event.attempt)}`,
      );
    }
    case 'model.failed':
      return at(
        event.position,
        'model',
        pc.yellow(`${event.type}${event.retryable ? ', tries again' : ''}`),
      );
    case 'tool.finished':
      return at(
        event.position,
        'tool',
        `${event.tool}${event.status === 'ok' ? ' done' : pc.yellow(`: ${visible(event.code ?? 'failed')}`)}${again(event.attempt)}`,
      );
    case 'tool.failed':
      return at(
        event.position,
        'tool',
        pc.yellow(`${event.tool} failed (${visible(event.code)}), next: ${event.next}`),
      );
    case 'request.opened':
      return at(
        event.position,
        'human',
        pc.yellow(
          event.request === 'unknown'
            ? `nobody knows whether ${event.tool} happened: asks`
            : `${event.tool} waits for a decision until ${clock(new Date(event.deadline))}`,
        ),
      );
    case 'request.closed':
      return at(
        event.position,
        'human',
        event.verdict === 'expired'
          ? 'no answer in time: denied'
          : `${event.verdict} by ${visible(event.by)}`,
      );
    case 'run.halting':
      return at('', 'halt', pc.yellow(`${visible(event.reason)} (${visible(event.by)})`));
    case 'run.waiting':
      return at('', 'waits', visible(event.detail));
    case 'run.stuck':
      return at('', 'stuck', pc.yellow(visible(event.detail)));
    case 'request.escalated':
    case 'request.refused':
    case 'run.unstuck':
    case 'run.paused':
    case 'run.resumed':
    case 'run.steered':
    case 'run.extended':
    case 'run.ended':
    case 'child.started':
    case 'tool.fellback':
    case 'message.received':
    case 'turn.started':
    case 'turn.ended':
      return undefined;
  }
}

export const at = (position: string, kind: string, text: string): string =>
  `${pc.dim(position.split('/')[0]?.padEnd(4) ?? '')} ${kind.padEnd(6)} ${text}`;
const again = (attempt: number): string => (attempt > 1 ? pc.yellow(`  (attempt ${attempt})`) : '');

/** `find_order, refund x2`: in order of their first call. */
function counted(names: readonly string[]): string[] {
  return [...new Set(names)].map((name) => {
    const times = names.filter((each) => each === name).length;
    return visible(times === 1 ? name : `${name} x${times}`);
  });
}

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

/** A letter on one line, without its greeting. */
export const quoted = (letter: string): string => {
  const [, ...paragraphs] = letter.trim().split(/\n\s*\n/);
  return pc.dim(`"${visible(cut(paragraphs.slice(0, -1).join(' ').replaceAll(/\s+/g, ' ')))}"`);
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
