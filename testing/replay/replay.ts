import { differenceText } from './difference-text.ts';
import type { ReplayDifference } from './difference.ts';
import type { ReplayInput } from './read-exported.ts';
import { startStrictReplay } from './strict-replay.ts';

/** Today's code would not have done what a history says. Its message shows the first difference. */
export class ReplayDiffers extends Error {
  override readonly name = 'ReplayDiffers';
  readonly difference: ReplayDifference;

  constructor(difference: ReplayDifference) {
    super(differenceText(difference));
    this.difference = difference;
  }
}

/**
 * Replays a run's history on today's workflow code, without any server, and compares every command
 * with its payload. Which fields, and what cannot be compared, is in `docs/replay.md`.
 *
 * Resolves when every execution of the run replays.
 * @throws ReplayDiffers  Today's code would have done something else: the first difference, side by side.
 * @throws TypeError      The input is no history.
 */
export async function replay(input: ReplayInput): Promise<void> {
  const strict = await startStrictReplay();
  try {
    const { difference } = await strict.replay(input);
    if (difference !== undefined) throw new ReplayDiffers(difference);
  } finally {
    await strict.close();
  }
}
