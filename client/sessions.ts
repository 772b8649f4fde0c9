/** Conversations: a run that goes on with the next message, found or begun by a key of the caller's. */
import type { Workflow } from '@temporalio/common';
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { randomUUID } from 'node:crypto';
import { BelayerError, failureType, invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import {
  message,
  type SendMessage,
  type SendReceipt,
  workflowType,
} from '../contracts/messages.ts';
import { userMessage } from '../rules/render-message.ts';
import { toRunInput } from '../rules/to-run-input.ts';
import { insertSaid } from '../storage/decisions.ts';
import { newestDefinition, storedDefinition } from '../storage/definitions.ts';
import { newRunId, sha256 } from '../storage/hash.ts';
import { runUnknown } from '../storage/ledger.ts';
import { type DefinitionCache, insertNewRun } from '../storage/new-run.ts';
import { readSession, readTurnEnd, releaseSession, type SessionRow } from '../storage/sessions.ts';
import { checkStart, type StartOptions } from './check-start.ts';
import { grpcCode, type Parts } from './parts.ts';
import { createRun, type Run } from './run.ts';
import { startWorkflow } from './start-workflow.ts';
import { updateFailure } from './tell-run.ts';
import { watchRun } from './watch-run.ts';

export interface SendOptions extends Pick<
  StartOptions<string>,
  'customer' | 'limits' | 'deadline'
> {
  /** Names the session: one per agent, customer and key. At most 256 characters. */
  readonly session: string;
  readonly message: string;
  /** Names the message: the same id sent again is heard once. Default: a fresh UUID. */
  readonly id?: string;
  /** Who writes, for the record. */
  readonly by?: string;
  /** Begin anew where the session was halted, stopped or failed. Default: refuse. */
  readonly reopen?: boolean;
}

/** A message on its way to its answer. */
export interface Turn<Output = unknown> {
  readonly run: Run<Output>;
  /** Which turn of the session answers it, from 1. Several messages may share one. */
  readonly number: number;
  /** Waits for the turn's output. @throws RunStopped, RunFailed  The run ended before it. */
  output(): Promise<Output>;
}

/**
 * Sends a message to a session, and begins the session where there is none.
 *
 * Resolves when the run has taken it, not when it is answered: see `turn.output()`. A session that
 * ended because nobody wrote is begun anew; one that was halted, stopped or failed only with `reopen`.
 */
export async function send<Output>(
  parts: Parts,
  cache: DefinitionCache,
  agent: string,
  options: SendOptions,
): Promise<Turn<Output>> {
  const { row, id } = await checkSend(parts, agent, options);
  const key = { agent, customer: row.customer ?? '', key: options.session };
  // Each round that ends without an answer has met a session that began or ended at that moment.
  for (let round = 1; round <= roundsMax; round += 1) {
    const existing = await readSession(parts.database, key);
    if (existing === undefined || existing.endedAt !== null) {
      if (existing?.outcome != null) await closeOld(parts, existing, options);
      const begun = await begin(parts, cache, { ...row, key: options.session, agent, id });
      if (begun !== undefined) return turnOf<Output>(parts, begun, 1);
      continue;
    }
    // The message that began it, sent again.
    if (existing.options?.firstMessage === id) return turnOf<Output>(parts, existing.id, 1);
    const receipt = await sendTo(parts, existing, {
      id,
      text: options.message,
      ...(options.by === undefined ? {} : { by: options.by }),
    });
    if (receipt !== undefined) return turnOf<Output>(parts, existing.id, receipt.turn);
  }
  throw new BelayerError(
    failureType.serverUnreachable,
    `Session \`${options.session}\` began and ended ${roundsMax} times while the message was on its way. Send it again, with the same \`id\`.`,
  );
}

/** Two that begin at once, and one that ends meanwhile, are met in three. */
const roundsMax = 5;

async function checkSend(
  parts: Parts,
  agent: string,
  options: SendOptions,
): Promise<{ readonly row: ReturnType<typeof checkStart>; readonly id: string }> {
  const { session, message: text, id = randomUUID(), by, reopen, ...start } = options ?? {};
  const reject = (why: string): BelayerError =>
    new BelayerError(failureType.inputRejected, `${why} Nothing was sent.`);
  if (typeof session !== 'string' || session === '' || session.length > limits.keyCharsMax)
    throw reject(`\`session\` must be a string of 1 to ${limits.keyCharsMax} characters.`);
  if (typeof text !== 'string' || text === '')
    throw reject('`message` must be a string that is not empty.');
  if (Buffer.byteLength(text) > limits.inputBytesMax)
    throw reject(
      `\`message\` has ${Buffer.byteLength(text)} bytes; at most ${limits.inputBytesMax} are taken.`,
    );
  if (typeof id !== 'string' || id === '' || id.length > limits.messageIdCharsMax)
    throw reject(`\`id\` must have 1 to ${limits.messageIdCharsMax} characters.`);
  if (by !== undefined && (typeof by !== 'string' || by.length > limits.decidedByCharsMax))
    throw reject(`\`by\` must have at most ${limits.decidedByCharsMax} characters.`);
  if (reopen !== undefined && typeof reopen !== 'boolean')
    throw reject('`reopen` must be true or false.');
  if ('key' in start || 'input' in start)
    throw reject(
      '`key` and `input` are options of `start`; a session has `session` and `message`.',
    );
  const row = checkStart(agent, { ...start, input: text });
  const definition = await newestDefinition(parts.database, agent);
  // An agent that nobody knows is told by the start, which names those that are.
  if (definition !== undefined && definition.frozen.session === undefined)
    throw reject(
      `Agent \`${agent}\` has no session: it takes one input and gives one output. Declare \`session\` in defineAgent, or use \`start\`.`,
    );
  return { row, id };
}

async function closeOld(parts: Parts, old: SessionRow, options: SendOptions): Promise<void> {
  const { outcome } = old;
  if (outcome?.kind !== 'done' && options.reopen !== true)
    throw new BelayerError(
      failureType.sessionEnded,
      `Session \`${options.session}\` of agent \`${old.agent}\` has ended: run \`${old.id}\` ${outcome?.kind === 'stopped' ? `stopped (${outcome.because}). ${outcome.detail}` : 'failed.'} \`reopen\` begins it anew, without what was said before. Nothing was sent.`,
    );
  await releaseSession(parts.database, old.id);
}

/** Begins a session with its first message, or undefined where another one just did. */
async function begin(
  parts: Parts,
  cache: DefinitionCache,
  first: ReturnType<typeof checkStart> & {
    readonly agent: string;
    readonly id: string;
    readonly key: string;
  },
): Promise<string | undefined> {
  const { agent, id, options, ...row } = first;
  try {
    const inserted = await insertNewRun(parts.database, cache, {
      ...row,
      agent,
      run: newRunId(agent),
      options: { ...options, firstMessage: id },
    });
    if (!inserted.isNew) return undefined;
    await startWorkflow(parts, inserted.run, inserted.start);
    return inserted.run;
  } catch (error) {
    if (error instanceof BelayerError && error.type === failureType.keyReused) return undefined;
    throw error;
  }
}

/** Gives a message to a session's run, and starts its workflow where there is none yet. */
async function sendTo(
  parts: Parts,
  session: SessionRow,
  said: { readonly id: string; readonly text: string; readonly by?: string },
): Promise<SendReceipt | undefined> {
  const definition = await storedDefinition(parts.database, session.definition);
  invariant(definition !== undefined, `definition ${session.definition} is stored`);
  const start = toRunInput({
    frozen: definition.frozen,
    definition: session.definition,
    customer: session.customer,
    transcript: { chain: 0, length: 1, head: session.head, bytes: session.bytes },
    ...(session.options === null ? {} : { options: session.options }),
  });
  const sent = await stored(parts, session.id, said);
  try {
    return await parts.temporal.withDeadline(Date.now() + limits.updateMsMax, () =>
      parts.temporal.workflow.executeUpdateWithStart<Workflow, SendReceipt, [SendMessage]>(
        message.send,
        {
          args: [sent],
          updateId: said.id,
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

function turnOf<Output>(parts: Parts, id: string, number: number): Turn<Output> {
  const run = createRun<Output>(parts, id);
  return {
    run,
    number,
    async output() {
      for (;;) {
        const end = await readTurnEnd(parts.database, id, number);
        if (end === undefined) throw runUnknown(id);
        if (end.kind === 'turn.ended') return JSON.parse(end.output ?? 'null') as Output;
        // Throws what the run ended with, or gives the output of the turn that was its last.
        if (end.kind === 'run.ended') return run.output();
        for await (const event of watchRun(parts.database, id, { after: end.newest }))
          if (event.kind === 'turn.ended' || event.kind === 'run.ended') break;
      }
    },
  };
}
