/**
 * A controller whose signal is aborted when `signal` is, for the same reason. For one source, and for
 * calls that last milliseconds: `AbortSignal.any` keeps weak references and registers finalizers.
 */
export function following(signal: AbortSignal | undefined): {
  readonly controller: AbortController;
  readonly unfollow: () => void;
} {
  const controller = new AbortController();
  if (signal === undefined) return { controller, unfollow: () => undefined };
  const follow = (): void => controller.abort(signal.reason);
  if (signal.aborted) follow();
  else signal.addEventListener('abort', follow, { once: true });
  return { controller, unfollow: () => signal.removeEventListener('abort', follow) };
}
