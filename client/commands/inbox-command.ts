import type { RequestRow } from '../../storage/requests.ts';
import { exitCode } from './exit-codes.ts';
import { requestText, waysToDecide } from './request-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface InboxFlags {
  readonly limit: number;
  readonly customer?: string;
  readonly agent?: string;
  readonly kind?: RequestRow['kind'];
  readonly decider?: string;
  readonly json?: true;
}

export async function inboxCommand(terminal: Terminal, flags: InboxFlags): Promise<number> {
  const requests = await withConnection(terminal, ({ belayer }) =>
    belayer.inbox({
      limit: flags.limit,
      ...(flags.customer === undefined ? {} : { customer: flags.customer }),
      ...(flags.agent === undefined ? {} : { agent: flags.agent }),
      ...(flags.kind === undefined ? {} : { kind: flags.kind }),
      ...(flags.decider === undefined ? {} : { decider: flags.decider }),
    }),
  );
  if (flags.json === true) for (const request of requests) outJson(terminal, request, 'line');
  else if (requests.length === 0) terminal.note('Nothing waits for a human.');
  else
    terminal.out(
      `${requests.map((request) => `${requestText(request, new Date())}\n${waysToDecide(request)}`).join('\n\n')}\n`,
    );
  return exitCode.done;
}
