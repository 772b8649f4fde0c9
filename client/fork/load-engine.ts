/* oxlint-disable no-restricted-imports -- a fork replays its parent; what that needs is loaded when one is made, here and nowhere else */
/**
 * The door from `run.fork` to what only a worker needs: strict replay, and what requests to a model are sent
 * with. The code comes with the call, so that `belayer/client` stays free of the native worker.
 */
import type { FrozenAgent } from '../../contracts/definitions.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import type { Position } from '../../contracts/positions.ts';
import type { StateAt } from '../../testing/replay/state-at.ts';
import { stateAtOf, withStrictReplay } from '../commands/load-replay.ts';

export type { StateAt };

/** The state in which a call was launched; undefined where the history holds no start of it. @throws ForkRejected */
export async function stateBefore(
  run: string,
  history: object,
  position: Position,
): Promise<StateAt | undefined> {
  const found = await withStrictReplay((strict) => stateAtOf(strict, history, position)).catch(
    (error: unknown) => {
      throw explained(error);
    },
  );
  if (found !== undefined && 'differs' in found)
    throw new BelayerError(
      failureType.forkRejected,
      `Run \`${run}\` cannot be forked at \`${position}\`: today's code would not have come there as it did, so the state would be made up.\n${found.differs}\nNothing was started.`,
    );
  return found;
}

export async function requestParametersOf(): Promise<
  (frozen: FrozenAgent, model: string) => Readonly<Record<string, unknown>>
> {
  return (await import('../../activities/models/request-parameters.ts')).requestParameters;
}

function explained(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'ERR_DLOPEN_FAILED') return error;
  return new BelayerError(
    failureType.settingsRejected,
    `A fork replays its parent, which needs the package \`@temporalio/worker\`, and that cannot be loaded here: ${message}. Install it, or fork where a worker runs. Nothing was started.`,
    { cause: error },
  );
}
