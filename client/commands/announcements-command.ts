import type { AnnouncementRow } from '../../storage/announcements.ts';
import { moment } from './amounts.ts';
import { exitCode } from './exit-codes.ts';
import { safeLine } from './safe-text.ts';
import { table } from './table.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface AnnouncementsFlags {
  readonly failed?: true;
  readonly limit: number;
  readonly json?: true;
}

/** With `--failed` a check: it ends with 1 when one was given up. */
export async function announcementsCommand(
  terminal: Terminal,
  { failed, limit, json }: AnnouncementsFlags,
): Promise<number> {
  const rows = await withConnection(terminal, ({ belayer }) =>
    belayer.announcements({ failed: failed === true, limit }),
  );
  if (json === true) for (const row of rows) outJson(terminal, row, 'line');
  else if (rows.length === 0)
    terminal.note(failed === true ? 'No announcement was given up.' : 'No announcements.');
  else terminal.out(`${announcementsTable(rows)}\n`);
  return failed === true && rows.length > 0 ? exitCode.failed : exitCode.done;
}

const announcementsTable = (rows: readonly AnnouncementRow[]): string =>
  table(
    ['AT (UTC)', 'CHANNEL', 'STATE', 'TRIED', 'WHAT', 'RUN', 'POSITION', 'LAST ERROR'],
    rows.map((row) => [
      moment(row.createdAt),
      row.channel,
      row.state,
      String(row.attempts),
      row.kind,
      safeLine(row.run, 100),
      safeLine(row.position ?? '', 60),
      safeLine(row.error ?? '', 120),
    ]),
  );
