import { subjectWords } from '../../storage/stop-flags.ts';
import { toFlag } from '../stop-flags.ts';
import { chooseTarget, type TargetFlags } from './choose-target.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withPostgres } from './with-connection.ts';

export interface LiftFlags extends TargetFlags {
  readonly reason: string;
  readonly by?: string;
  readonly json?: true;
}

export async function liftCommand(
  terminal: Terminal,
  run: string | undefined,
  flags: LiftFlags,
): Promise<number> {
  if (run !== undefined)
    throw new WrongUsage(
      `The flag of a single run cannot be lifted: a halted run ends. Start it anew instead.`,
    );
  const target = chooseTarget(flags) ?? {};
  const flag = toFlag(target);
  return withPostgres(terminal, async ({ belayer, parts }) => {
    const by = flags.by ?? parts.by;
    await belayer.lift(target, { reason: flags.reason, by });
    if (flags.json === true) outJson(terminal, { ...flag, lifted: true, by }, 'document');
    else
      terminal.out(
        `${safeText(subjectWords(flag))} may run again, by ${safeText(by)}. Runs that were halted stay halted.\n`,
      );
    return exitCode.done;
  });
}
