/** The grammar of `belayer cache`: kept replies and results. */
import type { Command } from 'commander';
import type { ClearFlags } from './cache-command.ts';
import type { Carry } from './program.ts';

export function addCacheCommands(program: Command, carry: Carry): void {
  const cache = program
    .command('cache')
    .summary('show and clear kept replies and results')
    .description('Replies and results that agents and tools with a `cache` keep for equal calls.');
  const commands = () => import('./cache-command.ts');

  cache
    .command('show')
    .summary('what is kept, and what it saved')
    .description(
      'Lists what is kept by agent and tool, with the hits of what is there now; hits are counted some seconds later.',
    )
    .option('--json', 'one JSON object per line')
    .action((flags: { readonly json?: true }) =>
      carry(async (terminal) => (await commands()).showCommand(terminal, flags)),
    );

  cache
    .command('clear')
    .summary('remove what is kept')
    .description(
      'Removes what is kept: everything, or what fits every option. What is being made meanwhile is not kept.',
    )
    .option('--customer <name>', "made for this customer's runs, shared entries included")
    .option('--agent <name>', 'made by runs of this agent')
    .option('--tool <name>', 'results of this tool')
    .option('--json', 'one JSON document')
    .action((flags: ClearFlags) =>
      carry(async (terminal) => (await commands()).clearCommand(terminal, flags)),
    );
}
