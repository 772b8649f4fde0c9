import { readFlagChanges } from '../../storage/stop-flags.ts';
import { exitCode } from './exit-codes.ts';
import { flagChangesTable, flagsTable } from './flags-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withPostgres } from './with-connection.ts';

export function flagsCommand(
  terminal: Terminal,
  options: { readonly history?: true; readonly json?: true },
): Promise<number> {
  return withPostgres(terminal, async ({ belayer, parts }) => {
    const history = options.history === true ? await readFlagChanges(parts.database) : undefined;
    const flags = await belayer.flags();
    const rows = history ?? flags;
    if (options.json === true) for (const row of rows) outJson(terminal, row, 'line');
    else if (rows.length === 0)
      terminal.note(history === undefined ? 'No stop flag is set.' : 'No stop flag was ever set.');
    else terminal.out(`${history === undefined ? flagsTable(flags) : flagChangesTable(history)}\n`);
    return exitCode.done;
  });
}
