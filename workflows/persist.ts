import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  sleep,
  TemporalFailure,
} from '@temporalio/workflow';
import { failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { bookkeeping } from './activity-proxies.ts';
import type { AgentRun } from './agent-run.ts';

/** What a worker, an operator or another run mends while the run waits: nothing of it is the run's failure. */
const waitable = new Set<string>([
  failureType.storageUnavailable,
  failureType.noWorker,
  failureType.equalCallUnderWay,
]);

export interface Failed {
  readonly type: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** Reads who failed and why: regular activities nest their failure, local ones give it bare. */
export function readFailure(error: unknown): Failed {
  const cause = error instanceof ActivityFailure ? (error.cause ?? error) : error;
  if (cause instanceof ApplicationFailure)
    return {
      type: cause.type ?? 'Error',
      message: cause.message,
      retryable: cause.nonRetryable !== true,
    };
  if (cause instanceof TemporalFailure)
    return { type: cause.name, message: cause.message, retryable: true };
  throw error;
}

export const isWaitable = (failed: Failed): boolean => waitable.has(failed.type);

/** No answer came at all: the worker died, or a server did. What may be asked again is. */
export const isSilence = (failed: Failed): boolean => failed.type === 'TimeoutFailure';

/** How long to wait before the `time`-th look whether the world has changed. */
export const worldDelayMs = (time: number): number =>
  Math.min(limits.waitAgainMsMin * 2 ** (time - 1), limits.waitAgainMsMax);

/** Waits for the world to change, longer each time. False when the run was halted meanwhile. */
export async function waitForTheWorld(
  run: AgentRun,
  time: number,
  failed: Failed,
): Promise<boolean> {
  run.waitsFor(failed);
  // Shown wherever runs are shown. Where the database is what is missing, there is nowhere to note it.
  if (time === 1 && failed.type === failureType.noWorker)
    await bookkeeping.noteWaiting({ reason: 'no-worker', detail: failed.message });
  const halted = await condition(() => run.state.halt !== undefined, worldDelayMs(time));
  if (!halted) run.clock.tick();
  run.waitsFor(undefined);
  return !halted;
}

/** Bookkeeping that must happen: repeated until it does. A fault of ours parks the run instead. */
export async function persist<Value>(run: AgentRun, write: () => Promise<Value>): Promise<Value> {
  for (let time = 1; ; time += 1) {
    try {
      return await write();
    } catch (error) {
      const failed = readFailure(error);
      if (!isWaitable(failed) && !isSilence(failed))
        throw new Error(`Bookkeeping failed: ${failed.type}: ${failed.message}`, { cause: error });
      run.waitsFor(failed);
      await sleep(worldDelayMs(time));
      run.clock.tick();
      run.waitsFor(undefined);
    }
  }
}
