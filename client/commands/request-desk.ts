import type { RequestRow } from '../../storage/requests.ts';
import type { Run } from '../run.ts';
import { requestText, waysToDecide } from './request-text.ts';
import type { Terminal } from './terminal.ts';
import { whoActs } from '../who-acts.ts';

/** Where a run's requests are put before the person at the terminal, one at a time. */
export interface RequestDesk {
  opened(position: string): void;
  /** Someone else decided, or the deadline did. */
  closed(position: string): void;
  end(): void;
}

/** Without a person at the terminal, it says how to decide. */
export function openDesk(terminal: Terminal, run: Run): RequestDesk {
  const asking = new Map<string, AbortController>();
  let queue = Promise.resolve();
  const put = async (position: string, signal: AbortSignal): Promise<void> => {
    const request = (await run.requests()).find((row) => row.position === position);
    if (request?.state !== 'open' || signal.aborted) return;
    terminal.note(`\n${requestText(request, new Date())}`);
    if (!terminal.isInteractive) {
      terminal.note(waysToDecide(request));
      return;
    }
    if (!isYesOrNo(request)) {
      terminal.note(waysToDecide(request));
      return;
    }
    const { verdict, reason } = await askHuman(terminal, signal);
    const receipt = await run[verdict](position, {
      by: whoActs(terminal.environment),
      argumentsHash: request.argumentsHash,
      ...(reason === '' ? {} : { reason }),
    });
    terminal.note(`${receipt.request} is ${receipt.verdict}.`);
  };
  return {
    opened(position) {
      const controller = new AbortController();
      asking.set(position, controller);
      queue = queue
        .then(() => put(position, controller.signal))
        .catch((error: unknown) => {
          if (!controller.signal.aborted) terminal.note((error as Error).message);
        });
    },
    closed: (position) => asking.get(position)?.abort(),
    end: () => asking.forEach((controller) => controller.abort()),
  };
}

/** Budgets are extended and questions answered, by a command: a yes would say nothing. */
const isYesOrNo = ({ kind, about }: RequestRow): boolean =>
  kind !== 'question' && about !== 'budget';

/** Only a plain yes is a yes. */
async function askHuman(
  terminal: Terminal,
  signal: AbortSignal,
): Promise<{ readonly verdict: 'approve' | 'deny'; readonly reason: string }> {
  const answer = (await terminal.ask('  Approve? [y/N] ', signal)).trim().toLowerCase();
  const verdict = answer === 'y' || answer === 'yes' ? 'approve' : 'deny';
  const reason = (await terminal.ask(`  Reason to ${verdict} (may be empty): `, signal)).trim();
  return { verdict, reason };
}
