export interface Sleeper {
  /** Ends the present sleep, or the next one where nobody sleeps. */
  wake(): void;
  /** What woke it before counts no more. */
  forget(): void;
  /** @throws the signal's reason, when it aborts. */
  sleep(): Promise<void>;
}

/** A wait that others end: at the latest at `untilMs` (of `performance.now()`), or when the signal aborts. */
export function createSleeper(signal: AbortSignal, untilMs: number): Sleeper {
  let woken = false;
  let end: (() => void) | undefined;
  return {
    wake() {
      woken = true;
      end?.();
    },
    forget() {
      woken = false;
    },
    async sleep() {
      if (signal.aborted) throw signal.reason;
      if (woken) return;
      await new Promise<void>((resolve, reject) => {
        const over = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', aborted);
          end = undefined;
        };
        const aborted = (): void => {
          over();
          reject(signal.reason as Error);
        };
        end = () => {
          over();
          resolve();
        };
        const timer = setTimeout(end, Math.max(0, untilMs - performance.now()));
        signal.addEventListener('abort', aborted, { once: true });
      });
    },
  };
}
