/** The grammar of `belayer histories`. */
import type { Command } from 'commander';
import type { ExportFlags } from './histories-command.ts';
import type { Carry } from './program.ts';

const another = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function addRecordingCommands(program: Command, carry: Carry): void {
  const histories = program
    .command('histories')
    .summary('recordings of runs: one file each')
    .description(
      'Recordings of runs: one file with everything that a run was told, and what it did.',
    );

  histories
    .command('export')
    .summary('write the recording of a run')
    .description(
      'Writes a run and its sub-agents as one recording: histories, content, journal, decisions, budgets. What looks like a secret is redacted.',
    )
    .argument('<run>', 'the id of the run')
    .option('--out <file>', 'where to (default: stdout)')
    .option(
      '--redact <pattern>',
      'redact what this regular expression matches; may be repeated',
      another,
      [],
    )
    .option(
      '--redact-field <name>',
      'redact the values of JSON fields of this name, wherever they occur; may be repeated',
      another,
      [],
    )
    .option('--keep-secrets', 'leave in what looks like a secret and was not named')
    .addHelpText(
      'after',
      `
Examples:
  belayer histories export support-t1a2b3c --out run.jsonl
  belayer histories export support-t1a2b3c --redact-field email --redact '\\d{16}' --out run.jsonl`,
    )
    .action((run: string, flags: ExportFlags) =>
      carry(async (terminal) =>
        (await import('./histories-command.ts')).exportHistories(terminal, run, flags),
      ),
    );

  histories
    .command('import')
    .summary('put a recording into this installation, to be read')
    .description(
      'Checks every byte of a recording and puts it into this installation, read-only. The same file again changes nothing.',
    )
    .argument('<file>', 'what `belayer histories export` wrote')
    .option('--json', 'one JSON document')
    .action((file: string, flags: { readonly json?: true }) =>
      carry(async (terminal) =>
        (await import('./histories-command.ts')).importHistories(terminal, file, flags),
      ),
    );
}
