import type { Log } from '../activities/dependencies.ts';

/**
 * A worker's own round: turn after turn, never two at once. A turn that fails is a line in the log, and
 * the next one comes all the same. The returned function lets the present turn end, and begins no other.
 *
 * @param failed  What the log says of a turn that failed.
 */
export function repeat(
  turn: () => Promise<void>,
  {
    everyMs,
    failed,
    log,
  }: { readonly everyMs: number; readonly failed: string; readonly log: Log },
): () => Promise<void> {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= turn()
      .catch((error: unknown) => log.warn(failed, { error: (error as Error).message }))
      .finally(() => {
        running = undefined;
      });
  }, everyMs);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
