/** `belayer rerun`: runs again from their recordings, on the application as it is now. */
import { readRecording, type Recording } from '../../storage/recordings/read-recording.ts';
import { recordingOfRun } from '../recordings/recording-of-run.ts';
import { exitCode } from './exit-codes.ts';
import { namingFile, readGivenFile } from './given-file.ts';
import { type Interrupts, watchInterrupts } from './interrupts.ts';
import { withReruns } from './load-rerun.ts';
import { compareResults } from './rerun-compare.ts';
import { checkUsage, optionsOf, type RerunFlags } from './rerun-flags.ts';
import { rerunMany } from './rerun-many.ts';
import { isSame, rerunText } from './rerun-text.ts';
import { flatResults, writeResults } from './rerun-results.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

/** Ends with 1 when anything would be another today, or a rerun could not go on. */
export async function rerunCommand(
  terminal: Terminal,
  run: string | undefined,
  flags: RerunFlags,
): Promise<number> {
  checkUsage(run, flags, terminal);
  if (flags.compare !== undefined) return compareResults(terminal, flags.compare, flags);
  const interrupts = watchInterrupts(terminal, () => terminal.note('Stopping.'));
  try {
    if (flags.since !== undefined) return await rerunMany(terminal, flags, interrupts.signal);
    return await rerunSingle(terminal, run, flags, interrupts);
  } catch (error) {
    if (interrupts.signal.aborted) return exitCode.interrupted;
    throw error;
  } finally {
    interrupts.end();
  }
}

async function rerunSingle(
  terminal: Terminal,
  run: string | undefined,
  flags: RerunFlags,
  { signal }: Interrupts,
): Promise<number> {
  // A file is read before anything is loaded: a wrong one is told at once.
  const { file = '' } = flags;
  const given =
    run === undefined ? await namingFile(terminal, file, readFile(terminal, file)) : undefined;
  const options = optionsOf(terminal, flags, signal);
  const result = await withReruns(terminal, flags.app, options, async (reruns) =>
    given === undefined
      ? reruns.rerun(await fetched(terminal, run ?? ''))
      : namingFile(terminal, file, reruns.rerun(given)),
  );
  const results = flatResults(result);
  if (flags.out !== undefined) writeResults(terminal, flags.out, results);
  if (flags.json === true) outJson(terminal, result, 'document');
  else terminal.out(`${safeText(results.map(rerunText).join('\n\n'))}\n`);
  return results.every(isSame) ? exitCode.done : exitCode.failed;
}

// oxlint-disable-next-line require-await -- so that what it throws is a rejection
const readFile = async (terminal: Terminal, file: string): Promise<Recording> =>
  readRecording(readGivenFile(terminal, file));

const fetched = (terminal: Terminal, run: string): Promise<Recording> =>
  withConnection(terminal, ({ parts }) => recordingOfRun(parts, run));
