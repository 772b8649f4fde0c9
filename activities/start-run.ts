/** For `runAgent` in an application's own workflow: writes the run's row, and reads what it came to. */
import type { AgentRunInput, StartRunInput } from '../contracts/agent-run.ts';
import { insertNewRun, type DefinitionCache } from '../storage/new-run.ts';
import { readEnd } from '../storage/reading-results.ts';
import { beginActivityCall } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { toActivityFailure } from './to-activity-failure.ts';

export function createStartRun(deps: ActivityDependencies) {
  const definitions: DefinitionCache = new Map();
  return async function startRun(input: StartRunInput): Promise<AgentRunInput> {
    const call = beginActivityCall(deps.worker);
    try {
      const inserted = await insertNewRun(deps.database, definitions, input);
      return inserted.start;
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}

export function createReadOutput(deps: ActivityDependencies) {
  /** The output itself: it enters the history of the workflow that asked, which is the application's. */
  return async function readOutput(run: string): Promise<unknown> {
    const call = beginActivityCall(deps.worker);
    try {
      const end = await readEnd(deps.database, run);
      return end?.output == null ? null : (JSON.parse(end.output) as unknown);
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}
