import { isatty } from 'node:tty';
import { createInterface } from 'node:readline/promises';
import type { Environment } from '../settings.ts';

/** Where a command reads and writes. Results go to stdout, everything else to stderr. */
export interface Terminal {
  readonly environment: Environment;
  readonly folder: string;
  /** A person reads stdout: what could steer the terminal is escaped. */
  readonly isOutputRead: boolean;
  /** A person can be asked. */
  readonly isInteractive: boolean;
  /** Columns of stdout, where a person reads it. */
  readonly columns: number | undefined;
  /** Exactly this text, without a line feed. */
  out(text: string): void;
  /** One line for a person. */
  note(line: string): void;
  /** Exactly this text, to stderr. */
  trace(text: string): void;
  ask(question: string, signal: AbortSignal): Promise<string>;
  readInput(): Promise<string>;
  /** Calls `onSignal` at Ctrl-C or SIGTERM; the returned function ends that. */
  onInterrupt(onSignal: (signal: NodeJS.Signals) => void): () => void;
}

export function processTerminal(): Terminal {
  return {
    environment: process.env,
    folder: process.cwd(),
    isOutputRead: isatty(1),
    isInteractive: isatty(0) && isatty(2),
    columns: isatty(1) ? process.stdout.columns : undefined,
    out: (text) => void process.stdout.write(text),
    note: (line) => void process.stderr.write(`${line}\n`),
    trace: (text) => void process.stderr.write(text),
    async ask(question, signal) {
      const lines = createInterface({ input: process.stdin, output: process.stderr });
      // In raw mode Ctrl-C is a key: it stays what it is everywhere else.
      lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
      try {
        return await lines.question(question, { signal });
      } finally {
        lines.close();
      }
    },
    async readInput() {
      const parts: Buffer[] = [];
      for await (const part of process.stdin) parts.push(part as Buffer);
      return Buffer.concat(parts).toString('utf8');
    },
    onInterrupt(onSignal) {
      process.on('SIGINT', onSignal);
      process.on('SIGTERM', onSignal);
      return () => {
        process.off('SIGINT', onSignal);
        process.off('SIGTERM', onSignal);
      };
    },
  };
}

/** One JSON document, or one line of JSON Lines. */
export const outJson = (terminal: Terminal, value: unknown, form: 'document' | 'line'): void =>
  terminal.out(`${JSON.stringify(value, undefined, form === 'document' ? 2 : undefined)}\n`);
