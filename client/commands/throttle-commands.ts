/** The grammar of `belayer throttle`: how much at once, and how fast. */
import type { Command } from 'commander';
import { wholeNumberFrom } from './parse-numbers.ts';
import type { Carry } from './program.ts';
import type { SetThrottleFlags, ShowThrottleFlags, ThrottleFlags } from './throttle-command.ts';

const customer = [
  '--customer <name>',
  "of this customer; '*': of each customer by itself",
] as const;
const all = ['--all', 'of all runs of the installation together'] as const;
const by = ['--by <name>', 'who does it (default: the user of this system)'] as const;
const reason = ['--reason <text>', 'why, for the record'] as const;
const json = ['--json', 'one JSON document'] as const;
const lines = ['--json', 'one JSON object per line'] as const;

export function addThrottleCommands(program: Command, carry: Carry): void {
  const throttle = program
    .command('throttle')
    .summary('bound what runs at once, and how fast models are asked')
    .description('Bounds over customers and the installation: runs, model calls, rates.');
  const commands = () => import('./throttle-command.ts');

  throttle
    .command('set')
    .summary('set a throttle, new or in place of what it was')
    .description(
      'Sets a throttle. It holds from the next start and the next model call on, in running runs too.',
    )
    .option(...customer)
    .option(...all)
    .option('--runs <n>', 'runs in flight; the next ones queue', wholeNumberFrom(1))
    .option('--model-calls <n>', 'model calls in flight', wholeNumberFrom(1))
    .option('--requests-per-minute <n>', 'model calls in any 60 seconds', wholeNumberFrom(1))
    .option('--tokens-per-minute <n>', 'tokens in any 60 seconds', wholeNumberFrom(1))
    .option(...reason)
    .option(...by)
    .option(...json)
    .action((flags: SetThrottleFlags) =>
      carry(async (terminal) => (await commands()).setThrottleCommand(terminal, flags)),
    );

  throttle
    .command('show')
    .summary('throttles, what is under them now, and providers that are asked less often')
    .description('Lists throttles with what is in flight, queued and waiting under them now.')
    .option('--customer <name>', 'those that hold for this customer')
    .option('--limit <n>', 'at most so many', wholeNumberFrom(1), 500)
    .option(...lines)
    .action((flags: ShowThrottleFlags) =>
      carry(async (terminal) => (await commands()).showThrottleCommand(terminal, flags)),
    );

  throttle
    .command('history')
    .summary('who changed which throttle, newest first')
    .option('--customer <name>', 'of this customer')
    .option(...lines)
    .action((flags: Omit<ShowThrottleFlags, 'limit'>) =>
      carry(async (terminal) => (await commands()).throttleHistoryCommand(terminal, flags)),
    );

  throttle
    .command('remove')
    .summary('end a throttle')
    .description('Ends a throttle: who waits under it goes on.')
    .option(...customer)
    .option(...all)
    .option(...reason)
    .option(...by)
    .option(...json)
    .action((flags: ThrottleFlags) =>
      carry(async (terminal) => (await commands()).removeThrottleCommand(terminal, flags)),
    );
}
