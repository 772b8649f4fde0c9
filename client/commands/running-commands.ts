/** The grammar of the commands that carry runs out. */
import type { Command } from 'commander';
import { numberFrom, wholeNumberFrom } from './parse-numbers.ts';
import type { Carry } from './program.ts';
import type { RunFlags } from './run-command.ts';

const appHelp = "the application's file (default: app.ts, app.js or app.mjs of this folder)";

export function addRunningCommands(program: Command, carry: Carry): void {
  program
    .command('run')
    .summary('run an agent and print its output')
    .description(
      'Runs an agent: starts what it needs, shows each step on stderr, prints the output on stdout.',
    )
    .argument('[words...]', "the application's file, if it is named here, and the input in words")
    .option('--app <file>', appHelp)
    .option('--agent <name>', 'which agent, where the application has several')
    .option('--input <json>', 'the input as JSON, `@file` or `-` for stdin')
    .option('--customer <name>', 'on whose behalf and at whose cost')
    .option('--key <key>', 'the same key and input give the same run, for 30 days')
    .option('--cost-usd <dollars>', 'stop before more is spent', numberFrom(0))
    .option('--steps <n>', 'stop after so many steps', wholeNumberFrom(1))
    .option('--tokens <n>', 'stop before more tokens are used', wholeNumberFrom(1))
    .option('--wall <duration>', "stop after so much working time, for example '10 minutes'")
    .option('--no-worker', 'only start it: a worker elsewhere carries it out')
    .option('--detach', 'print the id of the run and leave it to a worker elsewhere')
    .option('--no-wait', 'end with 5 when the run waits for a human')
    .option('--stream', 'show replies on stderr while they are written')
    .option('--json', 'print one JSON document with the outcome')
    .addHelpText(
      'after',
      `
Examples:
  belayer run agent.ts "Where is A-17?"
  belayer run --app app.ts --agent support --input @ticket.json --json
  belayer run agent.ts "Refund A-17." --cost-usd 0.05 --no-wait`,
    )
    .action((words: string[], flags: RunFlags) =>
      carry(async (terminal) => {
        const { runCommand } = await import('./run-command.ts');
        return runCommand(terminal, words, flags);
      }),
    );

  program
    .command('worker')
    .summary('carry out runs until it is told to stop')
    .description(
      'Carries out the runs of an application until SIGINT or SIGTERM, then lets calls in flight end (30 s at most).',
    )
    .option('--app <file>', appHelp)
    .action((flags: { readonly app?: string }) =>
      carry(async (terminal) => {
        const { workerCommand } = await import('./worker-command.ts');
        return workerCommand(terminal, flags);
      }),
    );

  program
    .command('dev')
    .summary('a worker that starts again when the code changes')
    .description(
      "Runs a worker in a process of its own, starts it again when the application's files change, and shows the events of all runs.",
    )
    .argument('[file]', appHelp)
    .option('--app <file>', appHelp)
    .action((file: string | undefined, flags: { readonly app?: string }) =>
      carry(async (terminal) => {
        const { devCommand } = await import('./dev-command.ts');
        return devCommand(terminal, file ?? flags.app);
      }),
    );
}
