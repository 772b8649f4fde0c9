import {
  defineSearchAttributeKey,
  SearchAttributeType,
  type SearchAttributePair,
} from '@temporalio/common';
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { AgentRunInput } from '../contracts/agent-run.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { workflowType } from '../contracts/messages.ts';
import { grpcCode } from './parts.ts';

const agentKey = defineSearchAttributeKey('BelayerAgent', SearchAttributeType.KEYWORD);
const customerKey = defineSearchAttributeKey('BelayerCustomer', SearchAttributeType.KEYWORD);

/** gRPC's code for an argument that the server does not take. */
const invalidArgument = 3;

/**
 * Starts the workflow of a run that is on record; where it was started before, nothing happens.
 *
 * A server without our search attributes still runs agents; its lists only cannot be filtered by them.
 */
export async function startWorkflow(
  parts: {
    readonly temporal: Client;
    readonly settings: { readonly taskQueue: string };
    readonly eagerStart: boolean;
  },
  run: string,
  input: AgentRunInput,
): Promise<void> {
  const start = (attributes: SearchAttributePair[]): Promise<unknown> =>
    parts.temporal.withDeadline(Date.now() + limits.startMsMax, () =>
      parts.temporal.workflow.start(workflowType, {
        workflowId: run,
        taskQueue: parts.settings.taskQueue,
        args: [input],
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        workflowIdConflictPolicy: 'FAIL',
        workflowTaskTimeout: limits.workflowTaskMsMax,
        staticSummary: input.agent,
        ...(parts.eagerStart ? { requestEagerStart: true } : {}),
        ...(attributes.length === 0 ? {} : { typedSearchAttributes: attributes }),
      }),
    );
  try {
    await start([
      { key: agentKey, value: input.agent },
      ...(input.customer === undefined ? [] : [{ key: customerKey, value: input.customer }]),
    ]).catch((error: unknown) => {
      if (grpcCode(error) === invalidArgument) return start([]);
      throw error;
    });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return;
    throw new BelayerError(
      failureType.serverUnreachable,
      `Run \`${run}\` is on record, but Temporal did not take its start: ${(error as Error).message}. A worker starts it when Temporal answers again; the same \`key\` gives the same run.`,
      { cause: error },
    );
  }
}
