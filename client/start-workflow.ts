import {
  defineSearchAttributeKey,
  SearchAttributeType,
  type SearchAttributePair,
} from '@temporalio/common';
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { AgentRunInput } from '../contracts/agent-run.ts';
import type { Build } from '../contracts/deployments.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { workflowType } from '../contracts/messages.ts';
import { clientTo } from './deployments/versioning-override.ts';
import { grpcCode } from './parts.ts';

const agentKey = defineSearchAttributeKey('BelayerAgent', SearchAttributeType.KEYWORD);
const customerKey = defineSearchAttributeKey('BelayerCustomer', SearchAttributeType.KEYWORD);

/** gRPC's code for an argument that the server does not take. */
const invalidArgument = 3;
/** Also where the build is known no more: INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION. */
const refusesBuild = new Set([3, 5, 9]);

/**
 * Starts the workflow of a run that is on record; where it was started before, nothing happens.
 *
 * A server without our search attributes still runs agents; its lists only cannot be filtered by them.
 *
 * @param build  Whose worker takes it. A server that cannot be told so sends it where its starts go.
 */
export async function startWorkflow(
  parts: {
    readonly temporal: Client;
    readonly settings: { readonly taskQueue: string };
    readonly eagerStart: boolean;
  },
  run: string,
  input: AgentRunInput,
  build?: Build,
): Promise<void> {
  const start = (attributes: SearchAttributePair[], to: Build | undefined): Promise<unknown> =>
    parts.temporal.withDeadline(Date.now() + limits.startMsMax, () =>
      (to === undefined ? parts.temporal.workflow : clientTo(parts.temporal, to)).start(
        workflowType,
        {
          workflowId: run,
          taskQueue: parts.settings.taskQueue,
          args: [input],
          workflowIdReusePolicy: 'REJECT_DUPLICATE',
          workflowIdConflictPolicy: 'FAIL',
          workflowTaskTimeout: limits.workflowTaskMsMax,
          staticSummary: input.agent,
          // The worker that shares this connection may be of another build.
          ...(parts.eagerStart && build === undefined ? { requestEagerStart: true } : {}),
          ...(attributes.length === 0 ? {} : { typedSearchAttributes: attributes }),
        },
      ),
    );
  try {
    const attributes = [
      { key: agentKey, value: input.agent },
      ...(input.customer === undefined ? [] : [{ key: customerKey, value: input.customer }]),
    ];
    await start(attributes, build)
      .catch((error: unknown) => {
        if (grpcCode(error) === invalidArgument) return start([], build);
        throw error;
      })
      .catch((error: unknown) => {
        if (build !== undefined && refusesBuild.has(grpcCode(error) ?? 0))
          return start(attributes, undefined);
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
