/** The grammar of replay: histories on today's workflow code. */
import type { Command } from 'commander';
import { numberFrom, wholeNumberFrom } from './parse-numbers.ts';
import type { Carry } from './program.ts';
import type { ReplayFlags } from './replay-command.ts';

export function addReplayingCommands(program: Command, carry: Carry): void {
  program
    .command('replay')
    .summary('check that today’s workflow code would have done what histories say')
    .description(
      'Replays histories on today’s workflow code and compares every command with its payload. Ends with 1 at any difference.',
    )
    .argument('[run]', 'the id of the run')
    .option('--file <file>', 'an exported history, in place of a run: needs no server')
    .option('--since <duration>', 'runs that started in the last 24h, 7d, ...')
    .option('--gate', 'for pipelines: the newest runs; a sample of nothing fails')
    .option('--last <n>', 'the newest so many runs', wholeNumberFrom(1))
    .option('--sample <n>', 'so many of them, by chance', wholeNumberFrom(1))
    .option('--agent <name>', 'only of this agent')
    .option('--junit <file>', 'write a JUnit report')
    .option('--minutes <m>', 'replay what can be done in so long (default 10)', numberFrom(0))
    .option('--cores <n>', 'processes at once (default: one per core)', wholeNumberFrom(1))
    .option('--allow-empty', 'let a gate pass that could replay nothing')
    .option('--json', 'one JSON document, or one JSON object per run')
    .addHelpText(
      'after',
      `
Examples:
  belayer replay support-t1a2b3c
  belayer histories export support-t1a2b3c --out run.json && belayer replay --file run.json
  belayer replay --since 24h --sample 100
  belayer replay --gate --last 1000 --junit replay.xml`,
    )
    .action((run: string | undefined, flags: ReplayFlags) =>
      carry(async (terminal) =>
        (await import('./replay-command.ts')).replayCommand(terminal, run, flags),
      ),
    );

  // What `replay` starts for each core: it is of no use by hand.
  program.command('replay-process', { hidden: true }).action(() =>
    carry(async () => {
      await (await import('./replay-process.ts')).serveReplays();
      return 0;
    }),
  );
}
