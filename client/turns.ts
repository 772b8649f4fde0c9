/** Messages to a session's run, and the turns that answer them. */
import type { Workflow } from '@temporalio/common';
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import {
  message,
  type SendMessage,
  type SendReceipt,
  workflowType,
} from '../contracts/messages.ts';
import { userMessage } from '../rules/render-message.ts';
import { insertSaid } from '../storage/decisions.ts';
import { sha256 } from '../storage/hash.ts';
import { untilAdmitted } from '../storage/admission.ts';
import { runUnknown } from '../storage/ledger.ts';
import { readTurnEnd, type SessionRow } from '../storage/sessions.ts';
import { startOf } from '../storage/start-of.ts';
import { grpcCode, type Parts } from './parts.ts';
import { updateFailure } from './tell-run.ts';
import { watchRun } from './watch-run.ts';

/**
 * Whether it is the message that began the session, sent again.
 *
 * @throws DecisionRejected  Its id is that of the first message, and its words are others.
 */
export function isFirstMessage(
  session: SessionRow,
  { id, text }: { readonly id: string; readonly text: string },
): boolean {
  if (session.options?.firstMessage !== id) return false;
  if (session.inputHash === sha256(text)) return true;
  throw new BelayerError(
    failureType.decisionRejected,
    `Message id \`${id}\` was used for other words. Nothing was sent.`,
  );
}

/**
 * Gives a message to a session's run, and starts its workflow where there is none yet. Undefined where
 * the run has just ended.
 *
 * @throws AdmissionRefused  The run is queued, and its turn did not come. Nothing was sent.
 */
export async function deliver(
  parts: Parts,
  session: SessionRow,
  said: { readonly id: string; readonly text: string; readonly by?: string },
): Promise<SendReceipt | undefined> {
  // Its message would start its workflow, and so overtake those who wait.
  if (session.isQueued) await untilAdmitted(parts.database, session.id);
  const { input: start } = await startOf(parts.database, session);
  const sent = await stored(parts, session.id, said);
  try {
    return await parts.temporal.withDeadline(Date.now() + limits.updateMsMax, () =>
      parts.temporal.workflow.executeUpdateWithStart<Workflow, SendReceipt, [SendMessage]>(
        message.send,
        {
          args: [sent],
          // The same words again are the same update; others under the same id are for the run to refuse.
          updateId: `${said.id} ${sent.stored?.hash ?? ''}`,
          startWorkflowOperation: new WithStartWorkflowOperation(workflowType, {
            workflowId: session.id,
            taskQueue: parts.settings.taskQueue,
            args: [start],
            workflowIdConflictPolicy: 'USE_EXISTING',
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            workflowTaskTimeout: limits.workflowTaskMsMax,
            staticSummary: session.agent,
          }),
        },
      ),
    );
  } catch (error) {
    if (hasJustEnded(error)) return undefined;
    throw updateFailure(session.id, 'the message', error);
  }
}

/** gRPC's codes for a workflow that has closed: NOT_FOUND, ALREADY_EXISTS. */
const hasJustEnded = (error: unknown): boolean =>
  error instanceof WorkflowNotFoundError ||
  error instanceof WorkflowExecutionAlreadyStartedError ||
  grpcCode(error) === 5 ||
  grpcCode(error) === 6;

async function stored(
  parts: Parts,
  run: string,
  said: { readonly id: string; readonly text: string; readonly by?: string },
): Promise<SendMessage> {
  const body = userMessage(said.text);
  const hash = sha256(body);
  await insertSaid(parts.database, run, { hash, body });
  return {
    id: said.id,
    stored: { hash, bytes: Buffer.byteLength(body) },
    ...(said.by === undefined ? {} : { by: said.by }),
  };
}

/**
 * Waits for the end of a turn and gives its output, or undefined where the run ended before it.
 *
 * @throws RunUnknown
 */
export async function turnOutput(
  parts: Parts,
  id: string,
  number: number,
): Promise<{ readonly output: unknown } | undefined> {
  for (;;) {
    const end = await readTurnEnd(parts.database, id, number);
    if (end === undefined) throw runUnknown(id);
    if (end.kind === 'turn.ended') return { output: JSON.parse(end.output ?? 'null') as unknown };
    if (end.kind === 'run.ended') return undefined;
    for await (const event of watchRun(parts.database, id, { after: end.newest }))
      if (event.kind === 'turn.ended' || event.kind === 'run.ended') break;
  }
}
