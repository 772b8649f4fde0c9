/** The grammar of deployments: builds of an application side by side. */
import type { Command } from 'commander';
import type { DeploymentFlags, MoveFlags } from './deployments-command.ts';
import { WrongUsage } from './exit-codes.ts';
import { percentFrom } from './parse-numbers.ts';
import type { Carry } from './program.ts';

export function addDeploymentCommands(program: Command, carry: Carry): void {
  const deployments = program
    .command('deployments')
    .summary('builds of an application side by side: which takes the starts')
    .description(
      'Builds of an application side by side: which takes the starts, and which still has runs. See docs/deployments.md.',
    );
  const withFlags = (command: Command): Command =>
    command
      .option('--deployment <name>', 'which one (default: BELAYER_DEPLOYMENT)')
      .option('--json', 'one JSON object per line');

  withFlags(deployments.command('list', { isDefault: true }))
    .summary('list the builds')
    .description('Lists the builds of a deployment, or of all, the newest first.')
    // A command that is misspelt comes here, as this is the default one.
    .allowExcessArguments()
    .action((flags: DeploymentFlags, { args: [extra] }: Command) =>
      carry(async (terminal) => {
        if (extra !== undefined)
          throw new WrongUsage(
            `\`${extra}\` is no command of \`belayer deployments\`: list, promote, rollback, move. A list takes --deployment NAME.`,
          );
        return (await import('./deployments-command.ts')).deploymentsCommand(terminal, flags);
      }),
    );

  withFlags(deployments.command('promote'))
    .summary('send the starts to a build')
    .description(
      'Sends all starts to a build, or a part of them. Runs under way stay where they are.',
    )
    .argument('<build>', 'its BELAYER_BUILD_ID')
    .option('--ramp <percent>', 'so many percent of the starts, 0 to 100', percentFrom)
    .action((build: string, flags: DeploymentFlags & { readonly ramp?: number }) =>
      carry(async (terminal) =>
        (await import('./deployments-command.ts')).promoteCommand(terminal, build, flags),
      ),
    );

  withFlags(deployments.command('rollback'))
    .summary('take the last promotion back')
    .description(
      'Ends a ramp, or makes the build current that was so before. Runs under way stay where they are.',
    )
    .action((flags: DeploymentFlags) =>
      carry(async (terminal) =>
        (await import('./deployments-command.ts')).rollbackCommand(terminal, flags),
      ),
    );

  withFlags(deployments.command('move'))
    .summary('move open runs to another build')
    .description(
      'Moves a run and its sub-agents, or all open runs of a build, to another build. Check with `belayer replay` on that build’s code first.',
    )
    .argument('[run]', 'the id of the run')
    .option('--from <build>', 'instead of a run: every open run of this build')
    .requiredOption('--to <build>', 'the build that goes on with them')
    .action((run: string | undefined, flags: MoveFlags) =>
      carry(async (terminal) =>
        (await import('./deployments-command.ts')).moveCommand(terminal, run, flags),
      ),
    );
}
