import { exitCode } from './exit-codes.ts';
import { readText } from './read-text.ts';
import { outputText } from './output-text.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface SendFlags {
  readonly session: string;
  readonly customer?: string;
  readonly id?: string;
  readonly by?: string;
  readonly reopen?: true;
  readonly wait: boolean;
  readonly json?: true;
}

export function sendCommand(
  terminal: Terminal,
  given: { readonly agent: string; readonly text: string },
  flags: SendFlags,
): Promise<number> {
  return withConnection(terminal, async ({ belayer, parts }) => {
    const message = await readText('The message', given.text, terminal);
    const turn = await belayer.send(given.agent as never, {
      session: flags.session,
      message,
      by: flags.by ?? parts.by,
      ...(flags.customer === undefined ? {} : { customer: flags.customer }),
      ...(flags.id === undefined ? {} : { id: flags.id }),
      ...(flags.reopen === true ? { reopen: true } : {}),
    });
    const at = { run: turn.run.id, turn: turn.number };
    if (!flags.wait) {
      if (flags.json === true) outJson(terminal, at, 'document');
      else terminal.out(`Turn ${turn.number} of ${safeText(turn.run.id)} answers it.\n`);
      return exitCode.done;
    }
    terminal.note(`Turn ${turn.number} of ${safeText(turn.run.id)} ...`);
    const output: unknown = await turn.output();
    if (flags.json === true) outJson(terminal, { ...at, output }, 'document');
    else terminal.out(`${outputText(output, terminal)}\n`);
    return exitCode.done;
  });
}
