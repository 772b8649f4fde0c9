import type { RequestRow } from '../../storage/requests.ts';
import type { Run } from '../run.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { readText } from './read-text.ts';
import { requestText } from './request-text.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface DecideFlags {
  readonly reason?: string;
  readonly by?: string;
  /** Approvals only: other arguments, as JSON, `@file` or `-`. */
  readonly edit?: string;
  readonly json?: true;
}

export async function decideCommand(
  terminal: Terminal,
  decision: {
    readonly verdict: 'approve' | 'deny';
    readonly run: string;
    readonly position: string;
  },
  flags: DecideFlags,
): Promise<number> {
  return withConnection(terminal, async ({ belayer, parts }) => {
    const run = await belayer.run(decision.run);
    const request = await requestAt(run, decision.position);
    const by = flags.by ?? parts.by;
    const position = request?.position ?? decision.position;
    const receipt = await run[decision.verdict](position, {
      by,
      ...(flags.edit === undefined ? {} : { edit: await readEdit(flags.edit, terminal) }),
      ...(flags.reason === undefined ? {} : { reason: flags.reason }),
      // What is printed below is what was decided on.
      ...(request === undefined ? {} : { argumentsHash: request.argumentsHash }),
    });
    if (flags.json === true)
      outJson(terminal, { run: run.id, ...receipt, by, on: request }, 'document');
    else
      terminal.out(
        `${request === undefined ? '' : `${requestText(request, new Date())}\n`}${receipt.request} of ${safeText(run.id)} is ${receipt.verdict} by ${safeText(by)}.\n`,
      );
    return exitCode.done;
  });
}

async function readEdit(edit: string, terminal: Terminal): Promise<unknown> {
  const text = await readText('--edit', edit, terminal);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new WrongUsage(`--edit is not JSON: ${(error as Error).message}`);
  }
}

/** The request at a position, or the open one about the call at it: `7.2` for `7.2/approval`. */
export async function requestAt(run: Run, position: string): Promise<RequestRow | undefined> {
  const all = await run.requests();
  return (
    all.find((request) => request.position === position) ??
    all.find((request) => request.state === 'open' && request.position.startsWith(`${position}/`))
  );
}
