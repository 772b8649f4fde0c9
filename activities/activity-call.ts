/** What every activity of a call needs: who it is, a heartbeat, and the signals that end it. */
import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';
import { limits } from '../contracts/limits.ts';
import { toActivityFailure } from './to-activity-failure.ts';

let sequence = 0;

export interface ActivityCall {
  readonly run: string;
  /** Temporal's count of tries of this activity, from 1. */
  readonly attempt: number;
  /** Names this execution, in the database and in logs. */
  readonly token: string;
  readonly isLocal: boolean;
  /** Aborted when Temporal cancels the activity or the worker drains. */
  readonly cancelled: AbortSignal;
  /** Stops the heartbeats. */
  end(): void;
}

/**
 * An activity of a run. Its work is told whose call it is, heartbeats while it lasts, and what it
 * throws leaves as the platform reads it.
 */
export const asActivity =
  <Input, Output>(
    worker: string,
    work: (input: Input, call: ActivityCall) => Promise<Output>,
  ): ((input: Input) => Promise<Output>) =>
  async (input) => {
    const call = begin(worker);
    try {
      return await work(input, call);
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };

function begin(worker: string): ActivityCall {
  const info = activityInfo();
  sequence += 1;
  let timer: NodeJS.Timeout | undefined;
  if (!info.isLocal) {
    // Short calls are over before the first beat, and send none.
    timer = setTimeout(() => {
      heartbeat();
      timer = setInterval(heartbeat, limits.heartbeatEveryMs);
    }, limits.heartbeatFirstMs);
  }
  return {
    run: info.workflowExecution?.workflowId ?? '',
    attempt: info.attempt,
    token: `${worker}/${sequence}`,
    isLocal: info.isLocal,
    cancelled: cancellationSignal(),
    end: () => clearTimeout(timer),
  };
}

/** How long a near call took, where it counts, for the run's clock. `began`: of `performance.now()`. */
export function nearTime(began: number): { readonly tookMs?: number } {
  const tookMs = Math.round(performance.now() - began);
  return tookMs < limits.nearCallToldMsMin ? {} : { tookMs };
}
