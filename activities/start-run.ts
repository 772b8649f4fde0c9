/** For `runAgent` in an application's own workflow: writes the run's row, and reads what it came to. */
import type { AgentRunInput, StartRunInput } from '../contracts/agent-run.ts';
import { insertNewRun, type DefinitionCache } from '../storage/new-run.ts';
import { readEnd } from '../storage/reading-results.ts';
import { asActivity } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { ownBuilds } from './own-builds.ts';

export function createStartRun(deps: ActivityDependencies) {
  const definitions: DefinitionCache = new Map();
  return asActivity(deps.worker, async (input: StartRunInput): Promise<AgentRunInput> => {
    const inserted = await insertNewRun(deps.database, definitions, input, ownBuilds(deps));
    return inserted.start;
  });
}

export function createReadOutput(deps: ActivityDependencies) {
  /** The output itself: it enters the history of the workflow that asked, which is the application's. */
  return asActivity(deps.worker, async (run: string): Promise<unknown> => {
    const end = await readEnd(deps.database, run);
    return end?.output == null ? null : (JSON.parse(end.output) as unknown);
  });
}
