/** The grammar of halting, and of the flags by which more than one run is stopped. */
import type { Command } from 'commander';
import type { HaltFlags } from './halt-command.ts';
import type { LiftFlags } from './lift-command.ts';
import type { Carry } from './program.ts';

export function addStopFlagCommands(program: Command, carry: Carry): void {
  program
    .command('halt')
    .summary('stop a run, or all of a customer, an agent or the installation')
    .description(
      'Stops a run: when this returns, no further call of it starts; what is in flight is aborted or recorded.\n' +
        'With --customer, --agent or --all a flag stops everything it covers, and new starts, until `belayer lift`.',
    )
    .argument('[run]', 'the id of the run')
    .option('--customer <name>', 'every run of this customer')
    .option('--agent <name>', 'every run of this agent')
    .option('--all', 'every run of this installation')
    .requiredOption('--reason <text>', 'why, for the record')
    .option('--by <name>', 'who stops it (default: the user of this system)')
    .option('--force', 'end a run that cannot answer: terminate its workflows and close its books')
    .option('--yes', 'do not ask whether --all is meant')
    .option('--json', 'one JSON document')
    .action((run: string | undefined, flags: HaltFlags) =>
      carry(async (terminal) =>
        (await import('./halt-command.ts')).haltCommand(terminal, run, flags),
      ),
    );

  program
    .command('lift')
    .summary('end the stop flag of a customer, an agent or the installation')
    .description('Ends a stop flag: what it covered may start again. Halted runs stay halted.')
    .argument('[run]', 'refused: the flag of a run ends with its run')
    .option('--customer <name>', 'of this customer')
    .option('--agent <name>', 'of this agent')
    .option('--all', 'of the installation')
    .requiredOption('--reason <text>', 'why, for the record')
    .option('--by <name>', 'who lifts it (default: the user of this system)')
    .option('--json', 'one JSON document')
    .action((run: string | undefined, flags: LiftFlags) =>
      carry(async (terminal) =>
        (await import('./lift-command.ts')).liftCommand(terminal, run, flags),
      ),
    );

  program
    .command('flags')
    .summary('list the stop flags that stand')
    .description('Lists the stop flags that stand, the widest first.')
    .option('--history', 'every set and lift, newest first')
    .option('--json', 'one JSON object per line')
    .action((options: { readonly history?: true; readonly json?: true }) =>
      carry(async (terminal) =>
        (await import('./flags-command.ts')).flagsCommand(terminal, options),
      ),
    );
}
