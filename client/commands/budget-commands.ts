/** The grammar of `belayer budget`: ceilings that runs share. */
import { type Command, InvalidArgumentError } from 'commander';
import type { AmountFlags, BudgetFlags, SetFlags, ShowFlags } from './budget-command.ts';
import { numberFrom, wholeNumberFrom } from './parse-numbers.ts';
import type { Carry } from './program.ts';

const agent = [
  '--agent <name>',
  'of this agent; with --customer, of the customer within it',
] as const;
const customer = [
  '--customer <name>',
  "of this customer; '*': of each customer by itself",
] as const;
const all = ['--all', 'of the whole installation'] as const;
const per = ['--per <period>', 'run, hour, day or month; in UTC, aligned'] as const;
const by = ['--by <name>', 'who does it (default: the user of this system)'] as const;
const reason = ['--reason <text>', 'why, for the record'] as const;
const json = ['--json', 'one JSON document'] as const;
const lines = ['--json', 'one JSON object per line'] as const;

export function addBudgetCommands(program: Command, carry: Carry): void {
  const budget = program
    .command('budget')
    .summary('set, show, raise and remove ceilings that runs share')
    .description(
      'Ceilings over agents, customers and the installation: per run, hour, day and month.',
    );
  const commands = () => import('./budget-command.ts');

  budget
    .command('set')
    .summary('set a budget, new or in place of what it was')
    .description(
      'Sets a budget. It holds from the next call of running runs on; what was spent before is not counted.',
    )
    .option(...agent)
    .option(...customer)
    .option(...all)
    .requiredOption(...per)
    .option('--usd <dollars>', 'the ceiling in US dollars', numberFrom(0))
    .option('--tokens <n>', 'the ceiling in tokens', wholeNumberFrom(1))
    .option('--on-exhaustion <policy>', 'stop, ask, wait or degrade (default: stop)')
    .option('--wait-max <duration>', "how long one call waits at most (default: '24 hours')")
    .option('--thresholds <list>', 'per cents that are announced (default: 50,80,95)', perCents)
    .option(...reason)
    .option(...by)
    .option(...json)
    .action((flags: SetFlags) =>
      carry(async (terminal) => (await commands()).setCommand(terminal, flags)),
    );

  budget
    .command('show')
    .summary('budgets, and what is left of them')
    .description('Lists budgets with their present windows: spent, held by calls in flight, left.')
    .option('--agent <name>', 'of this agent')
    .option('--customer <name>', 'of this customer, with its share of those of each customer')
    .option('--limit <n>', 'at most so many', wholeNumberFrom(1), 500)
    .option(...lines)
    .action((flags: ShowFlags) =>
      carry(async (terminal) => (await commands()).showCommand(terminal, flags)),
    );

  budget
    .command('history')
    .summary('who changed which budget, newest first')
    .description('Lists every set, raise and removal, newest first.')
    .option('--agent <name>', 'of this agent')
    .option('--customer <name>', 'of this customer')
    .option(...lines)
    .action((flags: Omit<ShowFlags, 'limit'>) =>
      carry(async (terminal) => (await commands()).historyCommand(terminal, flags)),
    );

  budget
    .command('extend')
    .summary('add to the present window of a budget')
    .description(
      'Adds to the present window, and wakes the runs that wait for it. The next has the old ceiling again.',
    )
    .option(...agent)
    .option('--customer <name>', 'of this customer')
    .option('--each', "of the budget that is set for each customer ('*'), the window of --customer")
    .option(...all)
    .requiredOption(...per)
    .option('--usd <dollars>', 'on top of its ceiling', numberFrom(0))
    .option('--tokens <n>', 'on top of its ceiling', wholeNumberFrom(1))
    .option(...reason)
    .option(...by)
    .option(...json)
    .action((flags: BudgetFlags & AmountFlags & { readonly each?: true }) =>
      carry(async (terminal) => (await commands()).extendCommand(terminal, flags)),
    );

  budget
    .command('remove')
    .summary('end a budget')
    .description('Ends a budget: nothing is refused under it any more. Its history stays.')
    .option(...agent)
    .option(...customer)
    .option(...all)
    .requiredOption(...per)
    .option(...reason)
    .option(...by)
    .option(...json)
    .action((flags: BudgetFlags) =>
      carry(async (terminal) => (await commands()).removeCommand(terminal, flags)),
    );
}

function perCents(text: string): readonly number[] {
  const list = text.trim() === '' ? [] : text.split(',').map((part) => Number(part));
  if (list.some((each) => !Number.isInteger(each)))
    throw new InvalidArgumentError(
      'It must be whole numbers with commas between, such as 50,80,95.',
    );
  return list;
}
