/** Conversations: a run that goes on with the next message, found or begun by a key of the caller's. */
import { randomUUID } from 'node:crypto';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { newestDefinition } from '../storage/definitions.ts';
import { newRunId } from '../storage/hash.ts';
import { type ChooseBuilds, type DefinitionCache, insertNewRun } from '../storage/new-run.ts';
import { readSession, releaseSession, type SessionRow } from '../storage/sessions.ts';
import { readStart, type StartOptions } from './check-start.ts';
import { messageMistakes, refuse, shown, textMistakes, wordMistakes } from './check-words.ts';
import type { Parts } from './parts.ts';
import { createRun, type Turn } from './run.ts';
import { startWorkflow } from './start-workflow.ts';
import { deliver, isFirstMessage } from './turns.ts';

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

interface Starting {
  readonly definitions: DefinitionCache;
  readonly chooseBuilds: ChooseBuilds;
}

/**
 * Sends a message to a session, and begins the session where there is none.
 *
 * Resolves when the run has taken it, not when it is answered: see `turn.output()`. A session that
 * ended because nobody wrote is begun anew; one that was halted, stopped or failed only with `reopen`.
 */
export async function send<Output>(
  parts: Parts,
  starting: Starting,
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
      const begun = await begin(parts, starting, { ...row, key: options.session, agent, id });
      if (begun !== undefined) return createRun<Output>(parts, begun).turn(1);
      continue;
    }
    // The message that began it, sent again.
    if (isFirstMessage(existing, { id, text: options.message }))
      return createRun<Output>(parts, existing.id).turn(1);
    const receipt = await deliver(parts, existing, {
      id,
      text: options.message,
      ...(options.by === undefined ? {} : { by: options.by }),
    });
    if (receipt !== undefined) return createRun<Output>(parts, existing.id).turn(receipt.turn);
  }
  throw new BelayerError(
    failureType.serverUnreachable,
    `Session \`${options.session}\` began and ended ${roundsMax} times while the message was on its way. Send it again, with the same \`id\`.`,
  );
}

/** Two that begin at once, and one that ends meanwhile, are met in three. */
const roundsMax = 5;

const sendNames = ['session', 'message', 'id', 'by', 'customer', 'limits', 'deadline', 'reopen'];

/** @throws InputRejected  Names every option that does not fit; nothing was sent. */
async function checkSend(
  parts: Parts,
  agent: string,
  options: SendOptions,
): Promise<{ readonly row: ReturnType<typeof readStart>; readonly id: string }> {
  const subject = `A message to \`${String(agent)}\` cannot be sent`;
  const mistakes = wordMistakes(options, { known: sendNames });
  if (typeof options !== 'object' || options === null) refuse(subject, mistakes);
  const { session, message, id = randomUUID(), reopen, customer, deadline } = options;
  mistakes.push(...textMistakes('session', session, limits.keyCharsMax));
  mistakes.push(...messageMistakes(message));
  if (reopen !== undefined && typeof reopen !== 'boolean')
    mistakes.push(`\`reopen\` is ${shown(reopen)}; it must be true or false`);
  const row = readStart(
    agent,
    {
      input: message,
      ...(customer === undefined ? {} : { customer }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(deadline === undefined ? {} : { deadline }),
    },
    mistakes,
  );
  refuse(subject, mistakes);
  const definition = await newestDefinition(parts.database, agent);
  // An agent that nobody knows is told by the start, which names those that are.
  if (definition !== undefined && definition.frozen.session === undefined)
    refuse(subject, [
      `agent \`${agent}\` has no session: it takes one input and gives one output. Declare \`session\` in defineAgent, or use \`start\``,
    ]);
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
  { definitions, chooseBuilds }: Starting,
  first: ReturnType<typeof readStart> & {
    readonly agent: string;
    readonly id: string;
    readonly key: string;
  },
): Promise<string | undefined> {
  const { agent, id, options, ...row } = first;
  try {
    const wanted = {
      ...row,
      agent,
      run: newRunId(agent),
      options: { ...options, firstMessage: id },
      mayQueue: true as const,
    };
    const inserted = await insertNewRun(parts.database, definitions, wanted, chooseBuilds);
    if (!inserted.isNew) return undefined;
    if (!inserted.isQueued)
      await startWorkflow(parts, inserted.run, inserted.start, inserted.build);
    return inserted.run;
  } catch (error) {
    if (error instanceof BelayerError && error.type === failureType.keyReused) return undefined;
    throw error;
  }
}
