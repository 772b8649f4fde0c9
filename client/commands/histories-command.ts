import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { exportHistory } from './export-history.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export async function exportHistories(
  terminal: Terminal,
  id: string,
  flags: { readonly out?: string },
): Promise<number> {
  return withConnection(terminal, async ({ belayer, parts }) => {
    await belayer.run(id);
    const exported = await exportHistory(parts.temporal, id);
    const text = `${JSON.stringify(exported)}\n`;
    if (flags.out === undefined) {
      terminal.out(text);
      return exitCode.done;
    }
    const file = resolve(terminal.folder, flags.out);
    try {
      writeFileSync(file, text);
    } catch (error) {
      throw new WrongUsage(`${file} cannot be written: ${(error as Error).message}`);
    }
    const count = exported.executions.length;
    terminal.note(
      `${file}: ${count} execution${count === 1 ? '' : 's'}, ${Buffer.byteLength(text)} bytes.`,
    );
    return exitCode.done;
  });
}
