/** The process of the `belayer` command: its streams, its exit code. What it can do is in `commands/`. */
import { exitCode } from './commands/exit-codes.ts';
import { runProgram } from './commands/program.ts';
import { processTerminal } from './commands/terminal.ts';

// A reader that has seen enough (`belayer watch RUN | head -1`) ends the command, and is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? exitCode.done : exitCode.failed);
});
process.stderr.on('error', () => undefined);

const code = await runProgram(process.argv.slice(2), processTerminal());
// What was written is with its reader before the process ends, also through a pipe.
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
process.exit(code);
