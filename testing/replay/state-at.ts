import type { Position } from '../../contracts/positions.ts';
import type { RunState } from '../../rules/run-state.ts';
import { readExported, type ReplayInput } from './read-exported.ts';
import { ReplayDiffers } from './replay.ts';
import type { Launch, StrictReplay } from './strict-replay.ts';

export interface StateAt {
  readonly run: string;
  readonly position: Position;
  /** From 1, counted over continue-as-new. */
  readonly execution: number;
  /** Of the workflow task that launched the call. */
  readonly eventId: number;
  readonly state: RunState;
}

/**
 * The whole state of a run as its workflow had it when the call at `position` was about to start:
 * computed by replaying its history up to there, so it is what the workflow saw and no second record.
 *
 * @returns undefined where the history holds no start of that call.
 * @throws ReplayDiffers  Today's code differs before that point: its state would not be what was.
 */
export async function stateAt(
  strict: StrictReplay,
  input: ReplayInput,
  position: Position,
): Promise<StateAt | undefined> {
  let found: Launch | undefined;
  const [{ run }] = readExported(input);
  const { difference } = await strict.replay(input, {
    launched(launch) {
      // The first: it may be launched again after the world was waited for.
      if (found === undefined && launch.run === run && launch.position === position)
        found = { ...launch, state: JSON.parse(JSON.stringify(launch.state)) as RunState };
    },
  });
  const isBefore =
    found === undefined ||
    (difference !== undefined &&
      difference.execution === found.execution &&
      difference.eventId <= found.taskStartedEventId);
  if (difference !== undefined && isBefore) throw new ReplayDiffers(difference);
  if (found === undefined) return undefined;
  const { execution, taskStartedEventId: eventId, state } = found;
  return { run, position, execution, eventId, state };
}
