import type { Terminal } from '../../client/commands/terminal.ts';

/** A terminal that remembers what was written, and answers from a list. */
export function aTerminal(
  given: {
    readonly folder?: string;
    readonly environment?: Readonly<Record<string, string>>;
    readonly input?: string;
    readonly isOutputRead?: boolean;
    /** What a person answers, in order; absent: nobody is there. */
    readonly answers?: readonly string[];
  } = {},
): Terminal & { output(): string; errors(): string } {
  let output = '';
  let errors = '';
  const answers = [...(given.answers ?? [])];
  return {
    environment: given.environment ?? {},
    folder: given.folder ?? '/',
    isOutputRead: given.isOutputRead ?? false,
    isInteractive: given.answers !== undefined,
    columns: undefined,
    out: (text) => {
      output += text;
    },
    note: (line) => {
      errors += `${line}\n`;
    },
    trace: (text) => {
      errors += text;
    },
    ask: (question) => {
      errors += question;
      return Promise.resolve(answers.shift() ?? '');
    },
    readInput: () => Promise.resolve(given.input ?? ''),
    onInterrupt: () => () => undefined,
    output: () => output,
    errors: () => errors,
  };
}
