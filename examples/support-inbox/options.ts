/** What the command line says, and what it may not say. */
import { parseArgs } from 'node:util';

export interface Options {
  /** Folder of `.eml` files. */
  readonly inbox: string;
  /** End after the last mail instead of waiting for new ones. */
  readonly once: boolean;
  /** Hand every mail to a new run, also those that were handled before. */
  readonly fresh: boolean;
  /** Pause of the stand-in model before each of its replies. */
  readonly thinkMs: number;
  /** Mails under way at the same time. */
  readonly atOnce: number;
}

export const usage = `Usage: npm start -- [options]

  --inbox DIR    folder of .eml files           (default: the samples in examples/support-inbox/mails)
  --once         end after the last mail        (default: stay, and handle new mails as they come)
  --fresh        new runs, also for mails that were handled before
  --at-once N    mails under way at a time      (default 4)
  --think MS     the stand-in model thinks this long before each reply: time to watch, or to kill -9
  --help         this text

Environment:
  OPENAI_API_KEY, OPENAI_BASE_URL, BELAYER_MODEL   a real model   (default: a stand-in, a program of rules)
  SMTP_URL, SUPPORT_ADDRESS                        a real mail server, the sender's address
  TEMPORAL_ADDRESS, DATABASE_URL                   your own servers (default: embedded ones in .belayer)

Exit codes: 0 every mail came to an end, 1 a run failed, 2 wrong usage, 69 a server cannot be reached.`;

/** Says what is wrong with what the caller gave: printed without a stack, exit code 2. */
export class UsageError extends Error {}

export function readOptions(args: readonly string[], samples: string): Options | 'help' {
  const { values } = parse(args);
  if (values.help === true) return 'help';
  return {
    inbox: values.inbox ?? samples,
    once: values.once ?? false,
    fresh: values.fresh ?? false,
    thinkMs: whole('--think', values.think ?? '0', { min: 0, max: 60_000 }),
    atOnce: whole('--at-once', values['at-once'] ?? '4', { min: 1, max: 50 }),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        inbox: { type: 'string' },
        once: { type: 'boolean' },
        fresh: { type: 'boolean' },
        think: { type: 'string' },
        'at-once': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${usage}`);
  }
}

function whole(
  name: string,
  text: string,
  range: { readonly min: number; readonly max: number },
): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= range.min && value <= range.max) return value;
  throw new UsageError(
    `${name} is '${text}'; it must be a whole number from ${range.min} to ${range.max}.`,
  );
}
