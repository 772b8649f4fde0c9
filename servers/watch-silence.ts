import { serverLimits } from './server-limits.ts';

export interface SilenceWatch {
  /** Something was heard: the count begins again. */
  heard(): void;
  end(): void;
}

/**
 * Calls back once when nothing was heard for `msMax`. It counts its own ticks, not the clock: a
 * program that was itself held up (Ctrl-Z, a busy loop) does not take its own pause for silence.
 */
export function watchSilence(msMax: number, onSilence: () => void): SilenceWatch {
  let ticks = 0;
  const timer = setInterval(() => {
    ticks++;
    // The first tick may come a moment after the last thing heard, so one more than fit must pass.
    if (ticks * serverLimits.silenceTickMs <= msMax) return;
    clearInterval(timer);
    onSilence();
  }, serverLimits.silenceTickMs);
  return { heard: () => void (ticks = 0), end: () => clearInterval(timer) };
}
