/**
 * Where builds of an application run side by side, a run stays with the build that it began on, and may
 * change to another one only where it continues as new: what is carried is a contract between builds, and
 * no history has to be replayed.
 *
 * Nothing of this is asked, and no command made, unless Temporal says that starts of this kind go elsewhere.
 */
import { workflowInfo } from '@temporalio/workflow';
import { bookkeeping } from './activity-proxies.ts';
import type { AgentRun } from './agent-run.ts';
import { persist } from './persist.ts';

/** Temporal's word is in the history, with the workflow task that it came with. */
export const isToBeAsked = (run: AgentRun): boolean =>
  run.moves === undefined && workflowInfo().targetWorkerDeploymentVersionChanged;

/** What was said is remembered until the next turn of a session ends. */
export async function askWhetherToMove(run: AgentRun): Promise<boolean> {
  if (!isToBeAsked(run)) return false;
  const { definition } = run.input;
  run.moves = await persist(run, () => bookkeeping.mayMove({ definition }));
  return run.moves;
}
