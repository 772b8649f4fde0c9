/** The grammar of the commands by which a human steps in. */
import type { Command } from 'commander';
import type { Carry } from './program.ts';
import { addTellingCommands } from './telling-commands.ts';
import { addStopFlagCommands } from './stop-flag-commands.ts';
import type { DecideFlags } from './decide-command.ts';

export function addDecidingCommands(program: Command, carry: Carry): void {
  addStopFlagCommands(program, carry);

  for (const verdict of ['approve', 'deny'] as const) {
    const command = program
      .command(verdict)
      .summary(`${verdict} what a run asks for`)
      .description(
        verdict === 'approve'
          ? 'Lets the call run that a request asks about. Of one whose outcome is unknown: lets it run again.'
          : 'Refuses the call that a request asks about; the model is told.',
      )
      .argument('<run>', 'the id of the run')
      .argument('<position>', 'of the request, as `belayer inbox` lists it: 7.2/approval, or 7.2')
      .option('--reason <text>', 'why, for the record')
      .option('--by <name>', 'who decides (default: the user of this system)')
      .option('--json', 'one JSON document')
      .action((run: string, position: string, flags: DecideFlags) =>
        carry(async (terminal) =>
          (await import('./decide-command.ts')).decideCommand(
            terminal,
            { verdict, run, position },
            flags,
          ),
        ),
      );
    if (verdict === 'approve')
      command.option(
        '--edit <json>',
        'other arguments to run with: JSON, `@file` or `-` for stdin',
      );
  }
  addTellingCommands(program, carry);

  program
    .command('servers')
    .summary('the embedded servers of this folder')
    .description('The embedded servers of this folder.')
    .command('stop')
    .summary('stop them, whoever uses them')
    .description('Stops the embedded servers of this folder, whoever uses them. Nothing is lost.')
    .option('--json', 'one JSON document')
    .action((flags: { readonly json?: true }) =>
      carry(async (terminal) =>
        (await import('./servers-command.ts')).stopServersCommand(terminal, flags),
      ),
    );
}
