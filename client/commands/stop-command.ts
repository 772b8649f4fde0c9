import { subjectWords } from '../../storage/stop-flags.ts';
import { type StopTarget, toFlag } from '../stop-flags.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import type { HaltFlags } from './halt-command.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withPostgres } from './with-connection.ts';

/** `belayer halt` of more than one run: a flag, and then every open run that it covers. */
export async function stopCommand(
  terminal: Terminal,
  target: StopTarget,
  flags: HaltFlags,
): Promise<number> {
  const flag = toFlag(target);
  const who = safeText(subjectWords(flag));
  if (flag.scope === 'installation' && flags.yes !== true && !(await isSure(terminal))) {
    terminal.note('Nothing was stopped.');
    return exitCode.failed;
  }
  return withPostgres(terminal, async ({ belayer, parts }) => {
    const by = flags.by ?? parts.by;
    let accepted = false;
    const report = await belayer.stop(target, {
      reason: flags.reason,
      by,
      onProgress: ({ halted, of }) => {
        if (!accepted)
          terminal.note(
            `${who} is stopped: no further call starts, and no run. Halting ${of} runs.`,
          );
        else terminal.note(`  ${halted} of ${of}`);
        accepted = true;
      },
    });
    if (flags.json === true) outJson(terminal, { ...flag, ...report, by }, 'document');
    else
      terminal.out(
        `${who} ${report.isNew ? `is stopped by ${safeText(by)}` : 'was stopped already, and stays so'}; ${report.halted} of ${report.of} open runs were told to halt.\n`,
      );
    if (report.left !== undefined)
      terminal.note(
        `Not all could be told: ${safeText(report.left)}. Nothing of them starts: the flag is set. A worker's sweep tells them, when Temporal answers.`,
      );
    return exitCode.done;
  });
}

async function isSure(terminal: Terminal): Promise<boolean> {
  if (!terminal.isInteractive)
    throw new WrongUsage(
      '--all stops every run of this installation; give --yes to say that it is meant.',
    );
  const asking = new AbortController();
  const ignore = terminal.onInterrupt(() => asking.abort());
  try {
    const answer = await terminal.ask(
      'This stops every run of this installation. Type yes to go on: ',
      asking.signal,
    );
    return answer.trim().toLowerCase() === 'yes';
  } catch (error) {
    if (asking.signal.aborted) return false;
    throw error;
  } finally {
    ignore();
  }
}
