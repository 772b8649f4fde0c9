import type { Parts } from '../parts.ts';
import { readHistories } from './read-histories.ts';

/** What a replay is given: all executions of a run, first to last. */
export interface HistoryOfRun {
  readonly workflowId: string;
  /** Each as its JSON, as Temporal's own tools write it. */
  readonly executions: readonly { readonly runId: string; readonly history: string }[];
}

/**
 * All histories of a run: closed executions from the archive, the rest from Temporal.
 *
 * @throws RunUnknown, RecordingExpired, RecordingDamaged, ServerUnreachable
 */
export async function historyOfRun(parts: Parts, run: string): Promise<HistoryOfRun> {
  const executions: { readonly runId: string; readonly history: string }[] = [];
  for (const execution of await readHistories(parts, run))
    executions.push({ runId: execution.runId, history: await execution.json() });
  return { workflowId: run, executions };
}
