import { limits } from '../../contracts/limits.ts';
import type { RequestRow } from '../../storage/requests.ts';
import { exitCode } from './exit-codes.ts';
import { requestText, waysToDecide } from './request-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withPostgres } from './with-connection.ts';

export interface InboxFlags {
  readonly limit: number;
  readonly all?: true;
  readonly customer?: string;
  readonly agent?: string;
  readonly kind?: RequestRow['kind'];
  readonly decider?: string;
  readonly json?: true;
}

/** Prints page by page, so that a hundred thousand requests are never held at once. */
export function inboxCommand(terminal: Terminal, flags: InboxFlags): Promise<number> {
  const filter = {
    ...(flags.customer === undefined ? {} : { customer: flags.customer }),
    ...(flags.agent === undefined ? {} : { agent: flags.agent }),
    ...(flags.kind === undefined ? {} : { kind: flags.kind }),
    ...(flags.decider === undefined ? {} : { decider: flags.decider }),
  };
  return withPostgres(terminal, async ({ belayer }) => {
    const limit = flags.all === true ? limits.inboxPageRowsMax : flags.limit;
    let shown = 0;
    let page = await belayer.inbox({ ...filter, limit });
    for (;;) {
      print(terminal, page, { isFirst: shown === 0, isJson: flags.json === true });
      shown += page.length;
      const after = page.at(-1);
      if (flags.all !== true || after === undefined || page.length < limit) break;
      page = await belayer.inbox({ ...filter, limit, after });
    }
    if (shown === 0 && flags.json !== true) terminal.note('Nothing waits for a human.');
    if (flags.all === true || shown < limit) return exitCode.done;
    const count = await belayer.inboxCount(filter);
    if (count > shown)
      terminal.note(`${shown} of ${count} open requests are shown. All of them: --all`);
    return exitCode.done;
  });
}

function print(
  terminal: Terminal,
  page: readonly RequestRow[],
  { isFirst, isJson }: { readonly isFirst: boolean; readonly isJson: boolean },
): void {
  for (const [at, request] of page.entries())
    if (isJson) outJson(terminal, request, 'line');
    else
      terminal.out(
        `${isFirst && at === 0 ? '' : '\n'}${requestText(request, new Date())}\n${waysToDecide(request)}\n`,
      );
}
