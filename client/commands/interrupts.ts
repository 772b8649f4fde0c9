import { exitCode } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

export interface Interrupts {
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  end(): void;
}

/** The first Ctrl-C asks to stop in order, a second one ends the process at once. */
export function watchInterrupts(terminal: Terminal, onFirst: () => void): Interrupts {
  const controller = new AbortController();
  const end = terminal.onInterrupt(() => {
    if (controller.signal.aborted) process.exit(exitCode.interrupted);
    onFirst();
    controller.abort();
  });
  return { signal: controller.signal, end };
}
