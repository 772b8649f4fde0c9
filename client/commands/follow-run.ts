import type { RequestRow } from '../../storage/requests.ts';
import type { Outcome, Run } from '../run.ts';
import { eventLine } from './event-line.ts';
import { openDesk } from './request-desk.ts';
import { safeText } from './safe-text.ts';
import type { Terminal } from './terminal.ts';

export type Followed =
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  | { readonly kind: 'waits'; readonly requests: readonly RequestRow[] }
  | { readonly kind: 'interrupted' };

/** How long the last event may come after the end itself. */
const lastEventMsMax = 2_000;

/** Shows a run's events until it ends, is waited for, or the signal comes. */
export async function followRun(
  terminal: Terminal,
  run: Run,
  options: {
    readonly deltas: boolean;
    /** At a request: ask here, or give back what is open. */
    readonly atRequest: 'ask' | 'leave';
    readonly signal: AbortSignal;
  },
): Promise<Followed> {
  const over = new AbortController();
  const desk = openDesk(terminal, run);
  const outcome = run.outcome();
  // A run that was cut off from outside writes no last event.
  outcome.then(
    () => setTimeout(() => over.abort(), lastEventMsMax).unref(),
    () => over.abort(),
  );
  let isMidLine = false;
  const watching = run.watch({
    deltas: options.deltas,
    signal: AbortSignal.any([options.signal, over.signal]),
  });
  try {
    for await (const event of watching) {
      if (event.kind === 'delta') {
        terminal.trace(safeText(event.text));
        isMidLine = true;
        continue;
      }
      terminal.note(`${isMidLine ? '\n' : ''}${eventLine(event)}`);
      isMidLine = false;
      if (event.kind === 'request.closed') desk.closed(event.position);
      if (event.kind !== 'request.opened') continue;
      if (options.atRequest === 'ask') desk.opened(event.position);
      else {
        const requests = (await run.requests()).filter(({ state }) => state === 'open');
        if (requests.length > 0) return { kind: 'waits', requests };
      }
    }
  } finally {
    desk.end();
  }
  if (options.signal.aborted) return { kind: 'interrupted' };
  return { kind: 'ended', outcome: await outcome };
}
