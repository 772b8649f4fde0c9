import { exitCode } from './exit-codes.ts';
import { requestText } from './request-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export async function inboxCommand(
  terminal: Terminal,
  flags: { readonly limit: number; readonly json?: true },
): Promise<number> {
  const requests = await withConnection(terminal, ({ belayer }) =>
    belayer.inbox({ limit: flags.limit }),
  );
  if (flags.json === true) for (const request of requests) outJson(terminal, request, 'line');
  else if (requests.length === 0) terminal.note('Nothing waits for a human.');
  else
    terminal.out(
      `${requests.map((request) => requestText(request, new Date())).join('\n\n')}\n\nDecide: belayer approve RUN POSITION [--reason TEXT], or belayer deny ...\n`,
    );
  return exitCode.done;
}
