import { createReadStream, createWriteStream, renameSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { basename, dirname, join, resolve } from 'node:path';
import { limits } from '../../contracts/limits.ts';
import { exportRecording } from '../recordings/export-recording.ts';
import { importRecording } from '../recordings/import-recording.ts';
import type { ExportReport } from '../../storage/recordings/export-rows.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { namingFile } from './given-file.ts';
import { exportText } from './recording-text.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface ExportFlags {
  readonly out?: string;
  readonly redact: readonly string[];
  readonly redactField: readonly string[];
  readonly keepSecrets?: true;
}

export async function exportHistories(
  terminal: Terminal,
  run: string,
  flags: ExportFlags,
): Promise<number> {
  const named = flags.redact.length + flags.redactField.length;
  if (named > limits.redactionPatternsMax)
    throw new WrongUsage(
      `${named} patterns and fields are given; at most ${limits.redactionPatternsMax} are taken (redactionPatternsMax).`,
    );
  const options = {
    patterns: flags.redact.map((text, index) => patternOf(text, index + 1)),
    fields: flags.redactField,
    keepSecrets: flags.keepSecrets === true,
  };
  return withConnection(terminal, async ({ parts }) => {
    const write = (to: (line: string) => Promise<void> | void): Promise<ExportReport> =>
      exportRecording(parts, run, options, to);
    const { out } = flags;
    const report =
      out === undefined
        ? await write((line) => terminal.out(line))
        : await toFile(resolve(terminal.folder, out), write);
    terminal.note(exportText(report, out));
    return exitCode.done;
  });
}

/** Beside its place first: a file of that name is whole, or it is not there. */
async function toFile(
  file: string,
  write: (to: (line: string) => Promise<void>) => Promise<ExportReport>,
): Promise<ExportReport> {
  const part = join(dirname(file), `.${basename(file)}.${process.pid}.part`);
  const stream = createWriteStream(part);
  const failed = once(stream, 'error').then(([error]: unknown[]) => {
    throw new WrongUsage(`${file} cannot be written: ${(error as Error).message}`);
  });
  try {
    const report = await Promise.race([
      failed,
      write(async (line) => {
        if (!stream.write(line)) await Promise.race([once(stream, 'drain'), failed]);
      }),
    ]);
    stream.end();
    await Promise.race([once(stream, 'close'), failed]);
    renameSync(part, file);
    return report;
  } catch (error) {
    stream.destroy();
    rmSync(part, { force: true });
    throw error;
  }
}

/** @param number  From 1, as the recording names it: the text may be the secret itself. */
function patternOf(text: string, number: number): RegExp {
  let pattern: RegExp;
  try {
    pattern = new RegExp(text, 'gu');
  } catch (error) {
    // `Invalid regular expression: /TEXT/gu: Unterminated group`: the reason alone, which repeats no text.
    const reason = (error as Error).message.split(': ').at(-1) ?? '';
    throw new WrongUsage(`Pattern ${number} of --redact is no regular expression: ${reason}.`);
  }
  if (pattern.test(''))
    throw new WrongUsage(
      `Pattern ${number} of --redact matches the empty text, so it names nothing.`,
    );
  pattern.lastIndex = 0;
  return pattern;
}

export async function importHistories(
  terminal: Terminal,
  given: string,
  flags: { readonly json?: true },
): Promise<number> {
  const file = resolve(terminal.folder, given);
  return withConnection(terminal, async ({ parts }) => {
    const importing = importRecording(parts, chunksOf(file));
    const report = await namingFile(terminal, given, importing).catch((error: unknown) => {
      const { syscall } = error as { readonly syscall?: unknown };
      if (syscall === undefined) throw error;
      throw new WrongUsage(`${file} cannot be read: ${(error as Error).message}`);
    });
    const { run, runs, isNew, executions, prompts, end, seal } = report;
    if (flags.json === true)
      outJson(terminal, { run, runs, isNew, executions, prompts, seal, end }, 'document');
    else if (!isNew)
      terminal.out(
        `Run ${safeText(run)} was imported from this recording before; nothing changed.\n`,
      );
    else
      terminal.out(
        `Run ${safeText(run)} is imported, read-only: ${runs.length} run${runs.length === 1 ? '' : 's'}, ${executions} execution${executions === 1 ? '' : 's'}, ${prompts} prompt${prompts === 1 ? '' : 's'} verified.\n`,
      );
    return exitCode.done;
  });
}

/** Opens the file when it is read: a stream that fails before anybody listens would end the process. */
async function* chunksOf(file: string): AsyncGenerator<Uint8Array> {
  for await (const chunk of createReadStream(file)) yield chunk as Buffer;
}
