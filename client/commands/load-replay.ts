/* oxlint-disable no-restricted-imports -- replaying needs Temporal's worker; it is loaded when a command replays, here and nowhere else */
/**
 * The door from the command line to strict replay, which loads the engine: the code comes with the
 * call, so that reading commands and `belayer/client` stay free of the native worker.
 */
import type { ReplayDifference } from '../../testing/replay/difference.ts';
import type { StateAt } from '../../testing/replay/state-at.ts';
import type { Replayed, StrictReplay } from '../../testing/replay/strict-replay.ts';

export type { Replayed, ReplayDifference, StateAt, StrictReplay };

/** Replays with one worker and closes it, whatever happens. */
export async function withStrictReplay<Result>(
  use: (strict: StrictReplay) => Promise<Result>,
): Promise<Result> {
  const [{ startStrictReplay }, { installQuietRuntime }] = await Promise.all([
    import('../../testing/replay/strict-replay.ts'),
    import('../../testing/replay/quiet-runtime.ts'),
  ]);
  installQuietRuntime();
  const strict = await startStrictReplay();
  try {
    return await use(strict);
  } finally {
    await strict.close();
  }
}

/** The state, nothing where the history does not reach it, or how today's code differs before it. */
export async function stateAtOf(
  strict: StrictReplay,
  history: object,
  position: string,
): Promise<StateAt | { readonly differs: string } | undefined> {
  const [{ stateAt }, { ReplayDiffers }] = await Promise.all([
    import('../../testing/replay/state-at.ts'),
    import('../../testing/replay/replay.ts'),
  ]);
  try {
    return await stateAt(strict, history, position);
  } catch (error) {
    if (error instanceof ReplayDiffers) return { differs: error.message };
    throw error;
  }
}
