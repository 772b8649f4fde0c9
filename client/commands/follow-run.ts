import type { RequestRow } from '../../storage/requests.ts';
import type { Outcome, Run } from '../run.ts';
import { eventLine } from './event-line.ts';
import { outputText } from './output-text.ts';
import { openDesk } from './request-desk.ts';
import { safeText } from './safe-text.ts';
import type { Terminal } from './terminal.ts';

export type Followed =
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  | { readonly kind: 'waits'; readonly requests: readonly RequestRow[] }
  /** A session waits for its next message, and nobody is here to write it. */
  | { readonly kind: 'turn'; readonly number: number; readonly output: unknown }
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
    /** The person at the terminal writes the next message of a session. */
    readonly talks: boolean;
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
      if (event.kind === 'turn.ended') {
        const output: unknown = await run.turn(event.turn).output();
        const message = options.talks ? await nextMessage(terminal, output, options.signal) : '';
        if (message === '') return { kind: 'turn', number: event.turn, output };
        await run.send(message);
      }
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

/** Empty where the person has nothing more to say. */
async function nextMessage(
  terminal: Terminal,
  output: unknown,
  signal: AbortSignal,
): Promise<string> {
  terminal.out(`${outputText(output, terminal)}\n`);
  return (await terminal.ask('> ', signal).catch(() => '')).trim();
}
