/**
 * `belayer/workflow`: runs an agent inside an application's own workflow.
 *
 * The application's worker needs no more than this import; the run itself is a child workflow on the
 * task queue of Belayer's workers. Its input and output enter the calling workflow's history.
 */
import {
  ApplicationFailure,
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  uuid4,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { RunOutcome } from '../contracts/agent-run.ts';
import { failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { taskQueueDefault, workflowType } from '../contracts/messages.ts';

export interface RunAgentOptions {
  /** A string for an agent without an input schema. */
  readonly input: unknown;
  readonly customer?: string;
  /** The run's id, which is its workflow id. Default: the agent's name and a fresh UUID. */
  readonly run?: string;
  /** Of Belayer's workers. Default `belayer`. */
  readonly taskQueue?: string;
}

/**
 * Runs an agent to its end and gives its output.
 *
 * @throws ApplicationFailure  `InputRejected`, `AgentUnknown`; `RunStopped` when the run ended without
 *                             an output because of a limit or a human; a child failure when it failed.
 */
export async function runAgent<Output = string>(
  agent: string,
  options: RunAgentOptions,
): Promise<Output> {
  const taskQueue = options.taskQueue ?? taskQueueDefault;
  const { startRun, readOutput } = proxyActivities<Activities>({
    taskQueue,
    startToCloseTimeout: limits.databaseStatementMsMax,
    retry: { initialInterval: 500, maximumInterval: '10 seconds', maximumAttempts: 20 },
  });
  const run = options.run ?? `${agent}-${uuid4()}`;
  const start = await startRun({
    agent,
    run,
    input: options.input,
    ...(options.customer === undefined ? {} : { customer: options.customer }),
  });
  const outcome: RunOutcome = await executeChild(workflowType, {
    workflowId: run,
    taskQueue,
    args: [start],
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    workflowTaskTimeout: limits.workflowTaskMsMax,
    staticSummary: agent,
  });
  if (outcome.kind === 'done') return (await readOutput(run)) as Output;
  throw ApplicationFailure.nonRetryable(
    outcome.kind === 'stopped'
      ? `Run ${run} stopped (${outcome.because}): ${outcome.detail}`
      : `Run ${run} failed: ${outcome.failure.message}`,
    outcome.kind === 'stopped' ? failureType.runStopped : outcome.failure.type,
  );
}
