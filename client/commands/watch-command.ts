import { exitCode, exitCodeOfOutcome } from './exit-codes.ts';
import { eventLine } from './event-line.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface WatchFlags {
  readonly deltas?: true;
  readonly after: number;
  readonly json?: true;
}

/** Follows a run from outside. Its events are the result here, so they go to stdout. */
export async function watchCommand(
  terminal: Terminal,
  id: string,
  flags: WatchFlags,
): Promise<number> {
  return withConnection(terminal, async ({ belayer }) => {
    const run = await belayer.run(id);
    const interrupted = new AbortController();
    const stop = terminal.onInterrupt(() => interrupted.abort());
    let isMidLine = false;
    try {
      const watching = run.watch({
        after: flags.after,
        deltas: flags.deltas === true,
        signal: interrupted.signal,
      });
      for await (const event of watching) {
        if (flags.json === true) outJson(terminal, event, 'line');
        else if (event.kind === 'delta') terminal.out(safeText(event.text));
        else terminal.out(`${isMidLine ? '\n' : ''}${eventLine(event)}\n`);
        isMidLine = event.kind === 'delta';
        if (event.kind === 'run.ended')
          return exitCodeOfOutcome({
            kind: event.outcome,
            ...(event.because === undefined ? {} : { because: event.because }),
          });
      }
    } finally {
      stop();
    }
    if (interrupted.signal.aborted) return exitCode.interrupted;
    // The last event was seen before `--after`.
    const { outcome } = await run.status();
    return outcome === null ? exitCode.done : exitCodeOfOutcome(outcome);
  });
}
