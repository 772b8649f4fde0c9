/** The command line's grammar, and how anything that goes wrong in it is told. */
import { Command, CommanderError } from 'commander';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../../servers/package-folder.ts';
import { addBudgetCommands } from './budget-commands.ts';
import { addCostCommands } from './cost-commands.ts';
import { addCacheCommands } from './cache-commands.ts';
import { addDecidingCommands } from './deciding-commands.ts';
import { addDeploymentCommands } from './deployment-commands.ts';
import { exitCode, exitCodeOfError, isBelayerError, WrongUsage } from './exit-codes.ts';
import { addForkingCommands } from './forking-commands.ts';
import { addReadingCommands } from './reading-commands.ts';
import { addRecordingCommands } from './recording-commands.ts';
import { addReplayingCommands } from './replaying-commands.ts';
import { addRerunningCommands } from './rerunning-commands.ts';
import { addRunningCommands } from './running-commands.ts';
import { safeText } from './safe-text.ts';
import type { Terminal } from './terminal.ts';
import { addThrottleCommands } from './throttle-commands.ts';

/** Carries a command out and gives its exit code. */
export type Carry = (command: (terminal: Terminal) => Promise<number>) => Promise<void>;

/** Runs one command line. Never throws: what went wrong is on stderr, and in the exit code. */
export async function runProgram(words: readonly string[], terminal: Terminal): Promise<number> {
  let code: number = exitCode.done;
  const program = createProgram(terminal, async (command) => {
    code = await command(terminal);
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return exitCodeOfCommander(error);
    terminal.note(describeError(error, terminal));
    return exitCodeOfError(error);
  }
}

export function createProgram(terminal: Terminal, carry: Carry): Command {
  const program = new Command('belayer')
    .description('Runs AI agents durably: every step on record, nothing done twice, stoppable.')
    .version(versionOf(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help on a command')
    .showSuggestionAfterError(true)
    .showHelpAfterError('(`--help` says more.)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.trace(text),
      getOutHelpWidth: () => terminal.columns ?? 100,
      getErrHelpWidth: () => terminal.columns ?? 100,
    });
  addRunningCommands(program, carry);
  addReadingCommands(program, carry);
  addRecordingCommands(program, carry);
  addDecidingCommands(program, carry);
  addBudgetCommands(program, carry);
  addCostCommands(program, carry);
  addCacheCommands(program, carry);
  addThrottleCommands(program, carry);
  addReplayingCommands(program, carry);
  addDeploymentCommands(program, carry);
  addForkingCommands(program, carry);
  addRerunningCommands(program, carry);
  program.addHelpText('after', afterHelp);
  return program;
}

const afterHelp = `
Examples:
  belayer run agent.ts "Where is A-17?"     run one agent, servers and all
  belayer dev --app app.ts                  a worker that starts again when the code changes
  belayer inbox                             what waits for a human
  belayer show RUN --step 3 --prompt        the bytes that were sent to the model

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 stopped by a limit, 4 halted,
  5 waits for a human (--no-wait), 69 a server cannot be reached.

Environment: OPENAI_API_KEY, OPENAI_BASE_URL, TEMPORAL_ADDRESS, DATABASE_URL, BELAYER_MODEL,
  BELAYER_DATA, BELAYER_PRICES, BELAYER_LOG. Nothing has to be set: servers are then embedded in
  .belayer of this folder, and without a key a stand-in model answers.`;

function versionOf(): string {
  const file = readFileSync(join(packageFolder(), 'package.json'), 'utf8');
  return (JSON.parse(file) as { readonly version: string }).version;
}

/** Help that was asked for is a success; help that had to be shown is not. */
function exitCodeOfCommander(error: CommanderError): number {
  return error.exitCode === 0 ? exitCode.done : exitCode.wrongUsage;
}

/** A user's mistake is told by its message alone; anything else says how to see more. */
export function describeError(
  error: unknown,
  { environment }: Pick<Terminal, 'environment'>,
): string {
  const isDebugging = environment['BELAYER_LOG'] === 'debug';
  if (isDebugging && error instanceof Error)
    return safeText(`${error.stack ?? error.message}${causeOf(error)}`);
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof WrongUsage) return `${safeText(message)}\n(\`--help\` says more.)`;
  if (isBelayerError(error)) return safeText(message);
  return `${safeText(message === '' ? 'Something failed without saying why.' : message)}\nSet BELAYER_LOG=debug to see where this came from.`;
}

const causeOf = (error: Error): string =>
  error.cause instanceof Error ? `\nCaused by: ${error.cause.stack ?? error.cause.message}` : '';
