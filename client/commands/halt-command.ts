import { forceHalt } from '../force-halt.ts';
import { haltRun } from '../halt-run.ts';
import { connectForHalting } from '../halting-connection.ts';
import { whoActs } from '../who-acts.ts';
import { chooseTarget, type TargetFlags } from './choose-target.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { safeText } from './safe-text.ts';
import { stopCommand } from './stop-command.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface HaltFlags extends TargetFlags {
  readonly reason: string;
  readonly by?: string;
  readonly force?: true;
  readonly yes?: true;
  readonly json?: true;
}

export async function haltCommand(
  terminal: Terminal,
  run: string | undefined,
  flags: HaltFlags,
): Promise<number> {
  const target = chooseTarget(flags, { id: run });
  if (flags.reason.trim() === '')
    throw new WrongUsage('--reason is empty; say why, for the record.');
  if (target !== undefined && flags.force === true)
    throw new WrongUsage('--force ends one run: name it.');
  if (target !== undefined || run === undefined) return stopCommand(terminal, target ?? {}, flags);
  return flags.force === true
    ? haltByForce(terminal, run, flags)
    : haltInOrder(terminal, run, flags);
}

/** Asks neither server whether it is there: one of them is enough. */
async function haltInOrder(terminal: Terminal, run: string, flags: HaltFlags): Promise<number> {
  const parts = await connectForHalting({
    environment: terminal.environment,
    by: whoActs(terminal.environment),
    log: (line) => terminal.note(line),
  });
  try {
    const by = flags.by ?? parts.by;
    const receipt = await haltRun(parts, run, { reason: flags.reason, by });
    if (flags.json === true) outJson(terminal, { ...receipt, halted: true, by }, 'document');
    else if (receipt.flagged)
      terminal.out(
        `Run ${safeText(run)} is halted by ${safeText(by)}: no further call of it starts.\n`,
      );
    else terminal.out(`Run ${safeText(run)} is told to halt by ${safeText(by)}.\n`);
    if (receipt.note !== undefined && flags.json !== true) terminal.note(safeText(receipt.note));
    return exitCode.done;
  } finally {
    await parts.close();
  }
}

function haltByForce(terminal: Terminal, run: string, flags: HaltFlags): Promise<number> {
  return withConnection(terminal, async ({ parts }) => {
    const by = flags.by ?? parts.by;
    const forced = await forceHalt(parts, run, { reason: flags.reason, by });
    if (flags.json === true) {
      outJson(terminal, { ...forced, by }, 'document');
      return exitCode.done;
    }
    const { ended, outcome, terminated, unknown } = forced;
    terminal.out(
      ended === 'in-order'
        ? `Run ${safeText(run)} ended by itself in the meantime (${outcome.kind}); nothing of it was forced.\n`
        : `Run ${safeText(run)} is ended by force by ${safeText(by)}; its books are closed. ${terminated.length === 0 ? 'It had no running workflow.' : `Terminated: ${safeText(terminated.join(', '))}.`}\n`,
    );
    if (unknown.length > 0)
      terminal.out(
        `Nobody knows whether these happened; look before you do them again:\n${unknown.map((call) => `  ${safeText(call.run)} ${safeText(call.position)}\n`).join('')}`,
      );
    return exitCode.done;
  });
}
