import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';

/** What a replay is given: all executions of a run, first to last. */
export interface HistoryOfRun {
  readonly workflowId: string;
  readonly executions: readonly { readonly runId: string; readonly history: History }[];
}

/**
 * From the newest execution back: each names the one that it continues.
 *
 * @throws RunUnknown  Temporal does not hold the run, or not all of it any more (retention).
 */
export async function historyOfRun(
  { temporal }: { readonly temporal: Client },
  run: string,
): Promise<HistoryOfRun> {
  const executions: { readonly runId: string; readonly history: History }[] = [];
  let runId: string | undefined;
  try {
    ({ runId } = await temporal.workflow.getHandle(run).describe());
    while (runId !== undefined && runId !== '' && executions.length < limits.replayExecutionsMax) {
      const history: History = await temporal.workflow.getHandle(run, runId).fetchHistory();
      executions.unshift({ runId, history });
      const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
      runId = started?.continuedExecutionRunId ?? undefined;
    }
    return { workflowId: run, executions };
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    throw new BelayerError(
      failureType.runUnknown,
      `Temporal holds no history of execution ${runId ?? 'newest'} of run \`${run}\`. Either its retention is over, or the workflow has not started yet.`,
      { cause: error },
    );
  }
}
