/** The grammar of the commands that only read. Each has `--json`. */
import { type Command, Option } from 'commander';
import type { DiffFlags } from './diff-command.ts';
import type { InboxFlags } from './inbox-command.ts';
import type { AnnouncementsFlags } from './announcements-command.ts';
import { wholeNumberFrom } from './parse-numbers.ts';
import type { Carry } from './program.ts';
import type { RunsFlags } from './runs-command.ts';
import type { ShowFlags } from './show-command.ts';
import type { StuckFlags } from './stuck-command.ts';
import type { WatchFlags } from './watch-command.ts';

const limitDefault = 50;

export function addReadingCommands(program: Command, carry: Carry): void {
  program
    .command('runs')
    .summary('list runs, newest first')
    .description('Lists runs, newest first.')
    .option('--agent <name>', 'only of this agent')
    .option('--customer <name>', 'only of this customer')
    .option('--open', 'only runs that have not ended')
    .option('--limit <n>', 'at most so many (1000 at most)', wholeNumberFrom(1), limitDefault)
    .option('--json', 'one JSON object per line')
    .action((flags: RunsFlags) =>
      carry(async (terminal) => (await import('./runs-command.ts')).runsCommand(terminal, flags)),
    );

  program
    .command('show')
    .summary('show a run, a step of it, or the prompt that was sent')
    .description(
      'Shows a run with its steps; with --step or --position, what was sent and what came back.',
    )
    .argument('<run>', 'the id of the run')
    .option('--step <n>', 'only this step, with its messages and results', wholeNumberFrom(1))
    .option('--position <position>', 'only this call, for example 7/repair-1 or 7.2')
    .option(
      '--prompt',
      'print exactly the bytes that were sent to the model, after checking their hash',
    )
    .option(
      '--state',
      'print the whole state of the run when that call was about to start, by replaying its history',
    )
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Examples:
  belayer show support-t1a2b3c
  belayer show support-t1a2b3c --step 3 --state
  belayer show support-t1a2b3c --step 3
  belayer show support-t1a2b3c --step 3 --prompt | sha256sum`,
    )
    .action((run: string, flags: ShowFlags) =>
      carry(async (terminal) =>
        (await import('./show-command.ts')).showCommand(terminal, run, flags),
      ),
    );

  program
    .command('diff')
    .summary('show two runs side by side from where they part')
    .description(
      'Compares two runs call by call: prompts, replies, calls, results, decisions, outcome. Ends with 0 when they are the same, with 1 when they differ.',
    )
    .argument('<a>', 'the id of a run, a file of `belayer histories export`, or FILE#RUN')
    .argument('<b>', 'the other one')
    .option('--all', 'everything, whole: what is the same as well')
    .option('--step <n>', 'only this step', wholeNumberFrom(1))
    .option('--position <position>', 'only this call, for example 7/repair-1 or 7.2')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Examples:
  belayer diff support-t1a2b3c support-t1a2b3d
  belayer diff yesterday.json support-t1a2b3d --position 7.2
  belayer diff support-t1a2b3c/7.2 support-t1a2b3d/7.2     two runs of a sub-agent`,
    )
    .action((a: string, b: string, flags: DiffFlags) =>
      carry(async (terminal) =>
        (await import('./diff-command.ts')).diffCommand(terminal, [a, b], flags),
      ),
    );

  program
    .command('watch')
    .summary('follow the events of a run until it ends')
    .description('Follows the events of a run until it ends, then ends with its exit code.')
    .argument('<run>', 'the id of the run')
    .option('--deltas', 'pieces of replies as they are written')
    .option('--after <n>', 'begin behind the event with this number', wholeNumberFrom(0), 0)
    .option('--json', 'one JSON object per event')
    .action((run: string, flags: WatchFlags) =>
      carry(async (terminal) =>
        (await import('./watch-command.ts')).watchCommand(terminal, run, flags),
      ),
    );

  program
    .command('inbox')
    .summary('list what waits for a human, oldest first')
    .description('Lists the open requests of all runs, oldest first, and how to answer each.')
    .option('--customer <name>', 'only runs of this customer')
    .option('--agent <name>', 'only runs of this agent')
    .addOption(
      new Option('--kind <kind>', 'only these').choices([
        'approval',
        'unknown',
        'escalation',
        'question',
      ]),
    )
    .option('--decider <name>', 'only what this person may decide')
    .option('--limit <n>', 'at most so many', wholeNumberFrom(1), limitDefault)
    .option('--all', 'every one, whatever --limit says')
    .option('--json', 'one JSON object per line')
    .action((flags: InboxFlags) =>
      carry(async (terminal) => (await import('./inbox-command.ts')).inboxCommand(terminal, flags)),
    );

  program
    .command('stuck')
    .summary('list runs that make no progress')
    .description(
      'Lists runs that make no progress and wait for nothing declared. Ends with 1 when there are any.',
    )
    .option('--now', 'look now, at every open run, in place of what workers have found')
    .option('--limit <n>', 'at most so many', wholeNumberFrom(1), limitDefault)
    .option('--json', 'one JSON object per line')
    .action((flags: StuckFlags) =>
      carry(async (terminal) => (await import('./stuck-command.ts')).stuckCommand(terminal, flags)),
    );

  program
    .command('announcements')
    .summary('list what was told by webhook and mail, newest first')
    .description(
      'Lists what was to be told by webhook and mail, newest first. With --failed, ends with 1 when there are any.',
    )
    .option('--failed', 'only those that were given up')
    .option('--limit <n>', 'at most so many', wholeNumberFrom(1), limitDefault)
    .option('--json', 'one JSON object per line')
    .action((flags: AnnouncementsFlags) =>
      carry(async (terminal) =>
        (await import('./announcements-command.ts')).announcementsCommand(terminal, flags),
      ),
    );

  program
    .command('doctor')
    .summary('say what Belayer finds here, and what is missing')
    .description('Looks at settings, programs and servers. Starts nothing, downloads nothing.')
    .option('--json', 'one JSON document')
    .action((flags: { readonly json?: true }) =>
      carry(async (terminal) =>
        (await import('./doctor-command.ts')).doctorCommand(terminal, flags),
      ),
    );
}
