/** The grammar of the commands by which a human speaks to a run. */
import type { Command } from 'commander';
import { numberFrom, wholeNumberFrom } from './parse-numbers.ts';
import type { Carry } from './program.ts';
import type { SendFlags } from './send-command.ts';
import type { AnswerFlags, ExtendFlags, TellFlags } from './tell-commands.ts';

const by = ['--by <name>', 'who says it (default: the user of this system)'] as const;
const json = ['--json', 'one JSON document'] as const;

export function addTellingCommands(program: Command, carry: Carry): void {
  const tell = () => import('./tell-commands.ts');

  program
    .command('answer')
    .summary('answer a question, or give the result of a call')
    .description(
      'Answers a question of an agent. Of a call whose outcome nobody knows, or of a critical one that failed: gives its result.',
    )
    .argument('<run>', 'the id of the run')
    .argument('<position>', 'of the request, as `belayer inbox` lists it: 7.2/question, or 7.2')
    .argument('<text>', 'the answer, or the result as JSON; `@file`, or `-` for stdin')
    .option('--reason <text>', 'why, for the record')
    .option(...by)
    .option(...json)
    .action((run: string, position: string, text: string, flags: AnswerFlags) =>
      carry(async (terminal) =>
        (await tell()).answerCommand(terminal, { run, position, text }, flags),
      ),
    );

  program
    .command('pause')
    .summary('let nothing new of a run start until it is resumed')
    .description(
      'Pauses a run: no call of it starts. What is in flight ends, and requests stay answerable.',
    )
    .argument('<run>', 'the id of the run')
    .requiredOption('--reason <text>', 'why, for the record')
    .option(...by)
    .option(...json)
    .action((run: string, flags: TellFlags & { readonly reason: string }) =>
      carry(async (terminal) => (await tell()).pauseCommand(terminal, run, flags)),
    );

  program
    .command('resume')
    .summary('let a paused run go on')
    .description('Lets a paused run go on where it was.')
    .argument('<run>', 'the id of the run')
    .option('--reason <text>', 'why, for the record')
    .option(...by)
    .option(...json)
    .action((run: string, flags: TellFlags) =>
      carry(async (terminal) => (await tell()).resumeCommand(terminal, run, flags)),
    );

  program
    .command('steer')
    .summary('say something to the model of a run')
    .description('Says something to the model of a run, with its next call: at most 2 KiB.')
    .argument('<run>', 'the id of the run')
    .argument('<text>', 'the words; `@file`, or `-` for stdin')
    .option(...by)
    .option(...json)
    .action((run: string, text: string, flags: TellFlags) =>
      carry(async (terminal) => (await tell()).steerCommand(terminal, { run, text }, flags)),
    );

  program
    .command('extend')
    .summary("raise a run's limits")
    .description("Raises a run's limits by these amounts, and answers a request about its budget.")
    .argument('<run>', 'the id of the run')
    .option('--cost-usd <dollars>', 'on top of its ceiling', numberFrom(0))
    .option('--tokens <n>', 'on top of its ceiling', wholeNumberFrom(1))
    .option('--steps <n>', 'more steps', wholeNumberFrom(1))
    .option('--wall <duration>', "more working time, for example '10 minutes'")
    .option('--reason <text>', 'why, for the record')
    .option(...by)
    .option(...json)
    .action((run: string, flags: ExtendFlags) =>
      carry(async (terminal) => (await tell()).extendCommand(terminal, run, flags)),
    );

  program
    .command('send')
    .summary('send a message to a session of an agent')
    .description(
      'Sends a message to a session of an agent, begins the session where there is none, and prints the answer.',
    )
    .argument('<agent>', 'the name of the agent')
    .argument('<message>', 'the words; `@file`, or `-` for stdin')
    .requiredOption('--session <key>', 'names the session: one per agent, customer and key')
    .option('--customer <name>', 'on whose behalf and at whose cost')
    .option('--id <id>', 'names the message: sent again, it is heard once')
    .option('--reopen', 'begin anew where the session was halted, stopped or failed')
    .option('--no-wait', 'only send it')
    .option(...by)
    .option(...json)
    .action((agent: string, text: string, flags: SendFlags) =>
      carry(async (terminal) =>
        (await import('./send-command.ts')).sendCommand(terminal, { agent, text }, flags),
      ),
    );
}
