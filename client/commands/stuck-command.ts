import { moment } from './amounts.ts';
import { exitCode } from './exit-codes.ts';
import { indented, safeLine, safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface StuckFlags {
  readonly now?: true;
  readonly limit: number;
  readonly json?: true;
}

/** A check: it ends with 1 when it found something. */
export async function stuckCommand(terminal: Terminal, flags: StuckFlags): Promise<number> {
  const rows = await withConnection(terminal, ({ belayer }) =>
    belayer.stuck({ now: flags.now === true, limit: flags.limit }),
  );
  if (flags.json === true) for (const row of rows) outJson(terminal, row, 'line');
  else if (rows.length === 0)
    terminal.note(
      flags.now === true
        ? 'No run is stuck.'
        : 'No worker has found a stuck run. To look now, without workers: belayer stuck --now',
    );
  else
    for (const row of rows)
      terminal.out(
        `${safeLine(row.run, 300)}  ${row.finding}, no progress since ${moment(row.since)} UTC\n${indented(safeText(row.detail), '  ')}\n`,
      );
  return rows.length === 0 ? exitCode.done : exitCode.failed;
}
