import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { type History, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { BelayerError, failureType } from '../../contracts/failures.ts';

export interface ExportedHistory {
  readonly workflowId: string;
  /** First to last. */
  readonly executions: readonly { readonly runId: string; readonly history: unknown }[];
}

/** Far above what `runStepsMax` steps make: each continues as new after thousands of events. */
const executionsMax = 10_000;

/**
 * Every execution of a run, from the newest back: each names the one that it continues.
 *
 * @throws RunUnknown  Temporal does not hold the run, or not all of it any more (retention).
 */
export async function exportHistory(temporal: Client, run: string): Promise<ExportedHistory> {
  const executions: { runId: string; history: unknown }[] = [];
  let runId: string | undefined = (await describeOrThrow(temporal, run)).runId;
  while (runId !== undefined && runId !== '' && executions.length < executionsMax) {
    const history: History = await temporal.workflow
      .getHandle(run, runId)
      .fetchHistory()
      .catch((error: unknown) => {
        throw notHeld(error, run, runId ?? '');
      });
    executions.unshift({ runId, history: JSON.parse(historyToJSON(history)) as unknown });
    const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
    runId = started?.continuedExecutionRunId ?? undefined;
  }
  return { workflowId: run, executions };
}

async function describeOrThrow(temporal: Client, run: string): Promise<{ readonly runId: string }> {
  try {
    return await temporal.workflow.getHandle(run).describe();
  } catch (error) {
    throw notHeld(error, run, 'newest');
  }
}

function notHeld(error: unknown, run: string, runId: string): unknown {
  if (!(error instanceof WorkflowNotFoundError)) return error;
  return new BelayerError(
    failureType.runUnknown,
    `Temporal holds no history of execution ${runId} of run \`${run}\`. Either its retention is over, or the workflow has not started yet.`,
    { cause: error },
  );
}
