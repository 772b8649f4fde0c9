import { exitCode } from './exit-codes.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export async function haltCommand(
  terminal: Terminal,
  id: string,
  flags: { readonly reason: string; readonly by?: string; readonly json?: true },
): Promise<number> {
  return withConnection(terminal, async ({ belayer, parts }) => {
    const run = await belayer.run(id);
    const by = flags.by ?? parts.by;
    await run.halt(flags.reason, { by });
    if (flags.json === true) outJson(terminal, { run: id, halted: true, by }, 'document');
    else
      terminal.out(
        `Run ${safeText(id)} is halted by ${safeText(by)}: no further call of it starts.\n`,
      );
    return exitCode.done;
  });
}
