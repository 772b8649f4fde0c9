/** What a run does once: raise its own stop flag, and close its books. */
import type { CloseRunInput } from '../contracts/agent-run.ts';
import { beginActivityCall } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { toActivityFailure } from './to-activity-failure.ts';

/** A halt by raw signal: from here on no claim of the run commits. */
export function createRaiseFlag({ ledger, worker }: ActivityDependencies) {
  return async function raiseFlag(halt: {
    readonly reason: string;
    readonly by: string;
  }): Promise<void> {
    const call = beginActivityCall(worker);
    try {
      await ledger.raiseFlag('run', call.run, halt.reason, halt.by);
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}

export function createCloseRun({ ledger, worker }: ActivityDependencies) {
  return async function closeRun(input: CloseRunInput): Promise<void> {
    const call = beginActivityCall(worker);
    try {
      await ledger.closeRun(call.run, input);
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}
