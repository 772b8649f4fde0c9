/** The grammar of the commands that fork runs. */
import type { Command } from 'commander';
import type { ForkFlags } from './fork-command.ts';
import { numberFrom, wholeNumberFrom } from './parse-numbers.ts';
import type { Carry } from './program.ts';

export function addForkingCommands(program: Command, carry: Carry): void {
  program
    .command('fork')
    .summary('a new run that shares another up to a position, with an edit there')
    .description(
      'Starts a run that shares the recording of another up to a position, with an edit there, and follows it. Effects before it are not repeated; the other run does not change.',
    )
    .argument('<run>', 'the run, finished or not')
    .requiredOption('--at <position>', 'a model call, such as 3, or a tool call, such as 3.1')
    .option('--reply <json>', 'at a model call: its reply, a text or { calls }, `@file` or `-`')
    .option('--result <json>', 'at a tool call: its result, JSON or text, `@file` or `-`')
    .option('--arguments <json>', 'at a tool call: other arguments, `@file` or `-`')
    .option('--message <text>', 'at a model call: what a person says there, `@file` or `-`')
    .option('--instructions <text>', 'instructions from there on, `@file` or `-`')
    .option('--model <name>', 'model from there on; may be repeated for a chain', gathered)
    .option('--cost-usd <dollars>', 'its limit of cost', numberFrom(0))
    .option('--tokens <n>', 'its limit of tokens', wholeNumberFrom(1))
    .option('--steps <n>', 'its limit of steps, counted from the fork on', wholeNumberFrom(1))
    .option('--wall <duration>', "its limit of working time, for example '10 minutes'")
    .option('--by <name>', 'who forks (default: you)')
    .option('--reason <text>', 'why, for the record')
    .option('--key <key>', 'the same key, position and edit give the same fork, for 30 days')
    .option(
      '--app <file>',
      'carry it out here, with this application, in place of a worker elsewhere',
    )
    .option('--detach', 'print the id of the fork and leave it to a worker elsewhere')
    .option('--no-wait', 'end with 5 when the fork waits for a human')
    .option('--stream', 'show replies on stderr while they are written')
    .option('--json', 'print one JSON document with the outcome')
    .addHelpText(
      'after',
      `
Examples:
  belayer fork RUN --at 3.1 --result '{"state":"lost"}'
  belayer fork RUN --at 4 --model gpt-5 --instructions @new.txt --app app.ts
  belayer fork RUN --at 2 --reply '{"calls":[{"tool":"order","arguments":{"id":"A-18"}}]}'`,
    )
    .action((run: string, flags: ForkFlags) =>
      carry(async (terminal) =>
        (await import('./fork-command.ts')).forkCommand(terminal, run, flags),
      ),
    );

  program
    .command('forks')
    .summary('the tree of runs that share a beginning')
    .description(
      'Prints the tree that a run is in: where each fork begins, what was changed there, state and cost.',
    )
    .argument('<run>')
    .option('--json', 'one JSON object per line, the root first')
    .action((run: string, flags: { readonly json?: true }) =>
      carry(async (terminal) =>
        (await import('./forks-command.ts')).forksCommand(terminal, run, flags),
      ),
    );
}

const gathered = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];
