/** The grammar of `costs` and `prices`: what was spent, and what calls cost. */
import type { Command } from 'commander';
import type { CostsFlags } from './costs-command.ts';
import { wholeNumberFrom } from './parse-numbers.ts';
import type { PricesFlags } from './prices-command.ts';
import type { Carry } from './program.ts';

export function addCostCommands(program: Command, carry: Carry): void {
  program
    .command('costs')
    .summary('what runs have cost and saved, by customer, agent, model, day ...')
    .description(
      'Sums up the journal: money and tokens of every call, what tools reported, and what caching, routing and stopping early saved. A sub-agent counts once, under its own name.',
    )
    .option(
      '--by <keys>',
      'what makes a line: customer, agent, model, day, tier, tool, run; several with commas between (default: customer)',
      (text: string) => text.split(',').map((key) => key.trim()),
    )
    .option(
      '--since <when>',
      'from 7d or 24h ago, or from a day or an instant in UTC (default: 7d)',
    ) // prettier-ignore
    .option('--until <when>', 'and before that; a day counts from its beginning (default: now)')
    .option('--customer <name>', 'only of this customer')
    .option('--agent <name>', 'only of this agent')
    .option('--limit <n>', 'at most so many lines (default: 1000)', wholeNumberFrom(1))
    .option('--json', 'one JSON object per line, without the total')
    .addHelpText(
      'after',
      `
Examples:
  belayer costs
  belayer costs --by day,model --since 2026-10-01 --until 2026-11-01
  belayer costs --by run --customer acme --since 24h --limit 20`,
    )
    .action((flags: CostsFlags) =>
      carry(async (terminal) => (await import('./costs-command.ts')).costsCommand(terminal, flags)),
    );

  program
    .command('prices')
    .summary('what a call of a model costs, and where that comes from')
    .description(
      'Shows prices in US dollars per million tokens as a worker with this environment has them. A model without one ends with 1.',
    )
    .argument('[model...]', 'names of models (default: those of BELAYER_PRICES and BELAYER_MODEL)')
    .option('--at <when>', 'at a day or an instant in UTC (default: now)')
    .option('--json', 'one JSON object per line')
    .action((models: readonly string[], flags: PricesFlags) =>
      carry(async (terminal) =>
        (await import('./prices-command.ts')).pricesCommand(terminal, models, flags),
      ),
    );
}
