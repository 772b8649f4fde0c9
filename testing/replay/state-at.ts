import type { EntryRef } from '../../contracts/agent-run.ts';
import { type Position, stepOf } from '../../contracts/positions.ts';
import type { RunState } from '../../rules/run-state.ts';
import type { ReplayDifference } from './difference.ts';
import { readExported, type ReplayInput } from './read-exported.ts';
import { ReplayDiffers } from './replay.ts';
import type { Launch, Settled, StrictReplay } from './strict-replay.ts';

export interface StateAt {
  readonly run: string;
  readonly position: Position;
  /** From 1, counted over continue-as-new. */
  readonly execution: number;
  /** Of the workflow task that launched the call. */
  readonly eventId: number;
  readonly state: RunState;
  /** How calls of that step ended, so far as the history goes. Empty where none was asked for. */
  readonly settled: readonly { readonly position: Position; readonly result: EntryRef }[];
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
  const settled: Settled[] = [];
  const [{ run }] = readExported(input);
  const { difference } = await strict.replay(input, {
    launched(launch) {
      // The first: it may be launched again after the world was waited for.
      if (found === undefined && launch.run === run && launch.position === position)
        found = { ...launch, state: JSON.parse(JSON.stringify(launch.state)) as RunState };
    },
    settled(call) {
      if (call.run === run && stepOf(call.position) === stepOf(position)) settled.push(call);
    },
  });
  if (difference !== undefined && (found === undefined || isPast(difference, found)))
    throw new ReplayDiffers(difference);
  if (found === undefined) return undefined;
  const { execution, taskStartedEventId: eventId, state } = found;
  return {
    run,
    position,
    execution,
    eventId,
    state,
    settled: settled
      .filter((call) => !isPast(difference, call))
      .map(({ position: at, result }) => ({ position: at, result })),
  };
}

/** Whether it was seen only after today's code had gone another way. */
const isPast = (
  difference: ReplayDifference | undefined,
  seen: { readonly execution: number; readonly taskStartedEventId: number },
): boolean =>
  difference !== undefined &&
  (difference.execution < seen.execution ||
    (difference.execution === seen.execution && difference.eventId <= seen.taskStartedEventId));
