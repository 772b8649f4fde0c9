export interface AttemptClock {
  /** The tool gave a sign of life. */
  readonly beat: () => void;
  /** Why it aborted the attempt, if it did. */
  readonly endedBy: () => 'timeout' | 'silence' | undefined;
  readonly stop: () => void;
}

/** Aborts an attempt when its time is over, or when a tool that promised signs of life gives none. */
export function startAttemptClock(
  controller: AbortController,
  attempt: { readonly timeoutMs: number; readonly heartbeatMs: number | undefined },
): AttemptClock {
  const { timeoutMs, heartbeatMs } = attempt;
  let stopped = false;
  let endedBy: 'timeout' | 'silence' | undefined;
  const end = (by: 'timeout' | 'silence', message: string): void => {
    if (controller.signal.aborted) return;
    endedBy = by;
    controller.abort(new Error(message));
  };
  const timer = setTimeout(() => end('timeout', `timed out after ${timeoutMs} ms`), timeoutMs);
  const silence =
    heartbeatMs === undefined
      ? undefined
      : setTimeout(() => end('silence', `silent for ${heartbeatMs} ms`), heartbeatMs);
  return {
    beat() {
      if (!stopped) silence?.refresh();
    },
    endedBy: () => endedBy,
    stop() {
      stopped = true;
      clearTimeout(timer);
      clearTimeout(silence);
    },
  };
}
