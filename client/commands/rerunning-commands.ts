/** The grammar of rerun: agents again, from recordings, on the application as it is now. */
import { type Command, Option } from 'commander';
import { rerunModes, unmatchedPolicies } from '../../testing/rerun/rerun-result.ts';
import { numberFrom, wholeNumberFrom } from './parse-numbers.ts';
import type { Carry } from './program.ts';
import type { RerunFlags } from './rerun-flags.ts';

const namesIn = (text: string): readonly string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

export function addRerunningCommands(program: Command, carry: Carry): void {
  program
    .command('rerun')
    .summary('run again from recordings, and say what would be different today')
    .description(
      'Runs an agent again from the recording of a run, on the application as it is now, and compares prompts, decisions and output. Writes are never performed. Ends with 1 where anything is different, or a rerun could not go on.',
    )
    .argument('[run]', 'the id of the run')
    .option('--file <file>', 'an exported recording, in place of a run: needs no server')
    .option('--since <duration>', 'runs that started in the last 24h, 7d, ...')
    .option('--until <duration>', 'and not in the last 1h, 1d, ...')
    .option('--sample <n>', 'so many of them, by chance', wholeNumberFrom(1))
    .option('--seed <n>', 'which sample: the same seed draws the same runs', wholeNumberFrom(0))
    .option('--agent <name>', 'only of this agent')
    .option('--customer <name>', 'only of this customer')
    .option('--app <file>', 'the application (default: app.ts, app.js or app.mjs of this folder)')
    .addOption(
      new Option('--mode <mode>', 'where models and tools are from')
        .choices(rerunModes)
        .default('strict'),
    )
    .addOption(
      new Option(
        '--unmatched <policy>',
        'calls that change nothing and have no recorded result (default stop)',
      ).choices(unmatchedPolicies),
    )
    .option('--live <tools>', 'run the code of these tools, comma between them', namesIn)
    .option('--after <position>', 'live-after: models are live behind this position')
    .option('--at-once <n>', 'so many reruns at once (default 4)', wholeNumberFrom(1))
    .option(
      '--max-cost-usd <usd>',
      'start no more when live calls have cost so much (default 5)',
      numberFrom(0),
    )
    .option('--out <file>', 'write the results: one JSON object a line, by run')
    .option('--compare <files...>', 'which runs changed between two such files')
    .option('--json', 'one JSON document, or one JSON object per run')
    .addHelpText(
      'after',
      `
Examples:
  belayer rerun support-t1a2b3c --app agent.ts
  belayer rerun --file run.jsonl --app agent.ts
  belayer rerun --since 7d --sample 200 --app new.ts --mode tools-recorded --out new.jsonl
  belayer rerun --compare old.jsonl new.jsonl`,
    )
    .action((run: string | undefined, flags: RerunFlags) =>
      carry(async (terminal) =>
        (await import('./rerun-command.ts')).rerunCommand(terminal, run, flags),
      ),
    );
}
