/**
 * A new run that shares its parent's recording up to a position, and is live from there.
 *
 * 1. Its state is computed by replaying the parent's histories, not from a second bookkeeping.
 * 2. What it shares is written in one transaction, and its workflow is started afterwards: by us, or by a sweep.
 * 3. Nothing of the parent changes.
 */
import type { AgentRunInput, CarriedState, EntryRef } from '../../contracts/agent-run.ts';
import { buildOf } from '../../contracts/deployments.ts';
import { BelayerError, failureType, invariant } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { type Position, saidPosition, stepOf } from '../../contracts/positions.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { isFirstCall, toForkCarried, withoutWords } from '../../rules/fork-state.ts';
import { assistantMessage, userMessage } from '../../rules/render-message.ts';
import { firstState, nextModelPosition, type RunState } from '../../rules/run-state.ts';
import { toRunInput } from '../../rules/to-run-input.ts';
import {
  newestDefinition,
  storedDefinition,
  type StoredDefinition,
} from '../../storage/definitions.ts';
import { fitsSchema } from '../../storage/fits-schema.ts';
import { type ForkToInsert, insertFork } from '../../storage/forks/insert-fork.ts';
import {
  type AskingReply,
  holderOf,
  type ParentRow,
  readAskingReply,
  readHead,
  readKeyed,
  readParent,
  readStepCalls,
} from '../../storage/forks/parent.ts';
import type { Database } from '../../storage/database.ts';
import { chainHead, chainStart, newRunId, sha256 } from '../../storage/hash.ts';
import { runUnknown } from '../../storage/ledger.ts';
import { checkedInput } from '../../storage/new-run.ts';
import { toStartStopped } from '../../storage/stop-flags.ts';
import { inTransaction } from '../../storage/transaction.ts';
import { historyOfRun } from '../recordings/history-of-run.ts';
import type { Parts } from '../parts.ts';
import { startWorkflow } from '../start-workflow.ts';
import { checkFork, type ForkOptions, type ForkWish, type GivenReply } from './check-fork.ts';
import { editDefinition, type Variant } from './edit-definition.ts';
import { editInShort } from './edit-in-short.ts';
import { type StateAt, stateBefore } from './load-engine.ts';
import { planToolFork } from './plan-tool-fork.ts';
import { refuseRedacted } from './refuse-redacted.ts';

/** What is known of the parent before anything is written. */
interface Read {
  readonly parent: ParentRow;
  readonly definition: StoredDefinition;
  readonly variant: Variant | undefined;
  /** Of a tool call: the reply that asked for it. */
  readonly asked: AskingReply | undefined;
  readonly before: StateAt;
}

/** Forks a run and gives the fork's id. Throws as `Run.fork` says. */
export async function forkRun(parts: Parts, run: string, options: ForkOptions): Promise<string> {
  const wish = checkFork(run, options, parts.by);
  const parent = await readParent(parts.database, run);
  if (parent === undefined) throw runUnknown(run);
  const inputHash = hashOf(run, wish);
  const earlier = await earlierFork(parts, { parent, wish, inputHash });
  if (earlier !== undefined) return earlier;
  const read = await readAll(parts, parent, wish);
  const id = newRunId(parent.agent);
  const prepared = toInsert({ id, wish, inputHash }, read);
  const inserted = await insert(parts, { prepared, read, wish });
  if (inserted.verdict === 'key-reused') throw keyReused(wish.key, inserted.run);
  if (inserted.verdict === 'started')
    await startWorkflow(parts, id, inserted.input, buildOf(read.definition.frozen));
  return inserted.run;
}

/** Names what was asked for: the same key stands for the same. */
const hashOf = (run: string, { at, edit, models, limits: changed, options }: ForkWish): string =>
  sha256(canonicalJson({ forkOf: run, at, edit, models, limits: changed, options }));

async function earlierFork(
  { database }: Parts,
  wanted: { readonly parent: ParentRow; readonly wish: ForkWish; readonly inputHash: string },
): Promise<string | undefined> {
  const { parent, wish, inputHash } = wanted;
  if (wish.key === undefined) return undefined;
  const known = await readKeyed(database, { ...parent, key: wish.key });
  if (known === undefined) return undefined;
  if (known.inputHash !== inputHash) throw keyReused(wish.key, known.id);
  return known.id;
}

const keyReused = (key: string | undefined, run: string): BelayerError =>
  new BelayerError(
    failureType.keyReused,
    `Key \`${key}\` belongs to run \`${run}\`, which is no fork of this run at this position with this edit. Keys are kept for ${limits.keyKeptDays} days. Nothing was started.`,
  );

const rejected = (message: string): BelayerError =>
  new BelayerError(failureType.forkRejected, `${message} Nothing was started.`);

async function readAll(parts: Parts, parent: ParentRow, wish: ForkWish): Promise<Read> {
  const { database } = parts;
  const definition = await storedDefinition(database, parent.definition);
  invariant(definition !== undefined, `definition ${parent.definition} is stored`);
  if ((await newestDefinition(database, parent.agent)) === undefined)
    throw new BelayerError(
      failureType.agentUnknown,
      `No worker has published agent \`${parent.agent}\` here, and a fork of run \`${parent.id}\` needs its code: start one. Nothing was started.`,
    );
  const asked =
    wish.index === undefined ? undefined : await readAskingReply(database, parent.no, wish.step);
  if (wish.index !== undefined && asked?.answer.calls[wish.index] === undefined)
    throw await notThere(database, { parent, at: wish.at, calls: asked?.answer.calls.length });
  const from = asked?.position ?? wish.at;
  const before = await stateBefore(parent.id, await historyOfRun(parts, parent.id), from);
  if (before === undefined) throw await notThere(database, { parent, at: wish.at });
  refuseRedacted(parent, { at: from, state: before.state });
  return { parent, definition, asked, before, variant: await editDefinition(definition, wish) };
}

async function notThere(
  database: Database,
  wanted: {
    readonly parent: ParentRow;
    readonly at: Position;
    readonly calls?: number | undefined;
  },
): Promise<BelayerError> {
  const { parent, at, calls } = wanted;
  if (calls !== undefined)
    return rejected(
      `Run \`${parent.id}\` cannot be forked at \`${at}\`: the reply of step ${stepOf(at)} asked for ${calls} call${calls === 1 ? '' : 's'}.`,
    );
  const holder = await holderOf(database, parent, at);
  if (holder !== undefined)
    return rejected(
      `Run \`${parent.id}\` shares what was before \`${parent.forkAt}\`, and its own history begins there: ${holder.isHere ? `fork \`${holder.run}\` at \`${at}\`` : `run \`${holder.run}\` has it, which is not in this database`}.`,
    );
  return rejected(
    `Run \`${parent.id}\` cannot be forked at \`${at}\`: it has not come there, as far as its history goes.`,
  );
}

type Prepared = Omit<ForkToInsert, 'results' | 'reply' | 'input'> & {
  readonly input: AgentRunInput & { readonly carried: CarriedState };
};

function toInsert(
  {
    id,
    wish,
    inputHash,
  }: { readonly id: string; readonly wish: ForkWish; readonly inputHash: string },
  { parent, definition, variant, before }: Read,
): Prepared {
  const { state } = before;
  const { frozen, hash } = variant ?? definition;
  const words = wordsOf(state, wish, frozen);
  const carried = toForkCarried(state, {
    nowMs: Date.now(),
    entries: words.entries,
    transcript: words.transcript ?? transcriptOf(state, wish),
    otherModels: wish.models !== undefined,
    otherInput: words.first !== undefined,
  });
  const base = toRunInput({
    frozen,
    definition: hash,
    customer: parent.customer,
    options: wish.options,
    transcript: carried.transcript,
  });
  // Steps are numbered on from the parent's, and counted from the fork.
  const stepsBefore = state.session === undefined ? state.step : 0;
  const steps = base.limits.steps + stepsBefore;
  const edit = editInShort(wish);
  return {
    run: id,
    inputHash,
    options: wish.options,
    parent,
    at: wish.at,
    by: wish.by,
    ...(wish.key === undefined ? {} : { key: wish.key }),
    ...(wish.reason === undefined ? {} : { reason: wish.reason }),
    ...(edit === undefined ? {} : { edit }),
    input: {
      ...base,
      limits: { ...base.limits, steps },
      ...(stepsBefore === 0 ? {} : { stepsBefore }),
      carried,
    },
    ...(variant === undefined ? {} : { definition: variant }),
    ...(words.first === undefined ? {} : { firstMessage: words.first }),
    ...(words.said === undefined ? {} : { said: words.said }),
    // A function's instructions were made of the input: with another one they are made anew.
    sharesSystem: frozen.instructions.kind === 'function' && words.first === undefined,
  };
}

/** What the first live call appends, with the words that were edited. */
function wordsOf(
  state: RunState,
  { edit }: ForkWish,
  frozen: StoredDefinition['frozen'],
): {
  readonly entries: readonly EntryRef[];
  readonly transcript?: RunState['transcript'];
  /** The run's own first message. */
  readonly first?: string;
  readonly said?: string;
} {
  if (edit.message === undefined) return { entries: state.entries };
  const entries = withoutWords(state);
  if (isFirstCall(state)) {
    const first = userMessage(checkedInput({ frozen }, inputOf(edit.message, frozen)));
    const head = chainHead(chainStart, sha256(first));
    const bytes = Buffer.byteLength(first);
    return { entries, first, transcript: { chain: 0, length: 1, head, bytes } };
  }
  const { message } = edit;
  const bytes = typeof message === 'string' ? Buffer.byteLength(message) : 0;
  if (typeof message !== 'string' || message === '' || bytes > limits.inputBytesMax)
    throw new BelayerError(
      failureType.inputRejected,
      `\`edit.message\` must be a string of 1 to ${limits.inputBytesMax} bytes behind the first call. Nothing was started.`,
    );
  const said = userMessage(message);
  const hash = sha256(said);
  const entry = { at: saidPosition(hash), hash, bytes: Buffer.byteLength(said) };
  return { entries: [...entries, entry], said };
}

/** A text is taken for what it is, and for JSON where only that fits. */
function inputOf(message: unknown, { inputSchema }: StoredDefinition['frozen']): unknown {
  if (typeof message !== 'string' || inputSchema === undefined) return message;
  if (fitsSchema(inputSchema, message, 'input').length === 0) return message;
  try {
    return JSON.parse(message) as unknown;
  } catch {
    return message;
  }
}

/** Another beginning or another model counts tokens another way: without a count, bytes bound them. */
function transcriptOf(
  { transcript }: RunState,
  { edit, models }: ForkWish,
): RunState['transcript'] {
  if (edit.instructions === undefined && models === undefined) return transcript;
  const { tokens: _, ...uncounted } = transcript;
  return uncounted;
}

/** Looks at the parent's calls and writes the fork in one transaction, so that no claim comes between. */
async function insert(
  { database }: Parts,
  {
    prepared,
    read,
    wish,
  }: { readonly prepared: Prepared; readonly read: Read; readonly wish: ForkWish },
): Promise<{
  readonly verdict: 'started' | 'existing' | 'key-reused';
  readonly run: string;
  readonly input: AgentRunInput;
}> {
  const { parent } = read;
  return inTransaction(database, 'write', async (query) => {
    if (prepared.firstMessage === undefined) {
      const { transcript } = prepared.input.carried;
      const held = await readHead(query, { runNo: parent.no, ...transcript });
      if (held?.head !== transcript.head || !held.isHeld)
        throw rejected(
          `Run \`${parent.id}\` cannot be forked at \`${wish.at}\`: the transcript that is on record is not the one that its history names (${transcript.head}). A reset went another way.`,
        );
    }
    const given = await givenOf(query, read, wish);
    const positions = [
      ...(given.reply === undefined ? [] : [given.reply.position]),
      ...given.results.map(({ position }) => position),
    ];
    const input = { ...prepared.input, ...(positions.length === 0 ? {} : { given: positions }) };
    const first = nextModelPosition(firstState(input, 0));
    invariant(
      first === read.before.position,
      `the fork's first call is ${read.before.position}, not ${first}`,
    );
    const inserted = await insertFork(query, { ...prepared, ...given, input });
    return { ...inserted, input };
  }).catch((error: unknown) => {
    throw toStartStopped(error);
  });
}

async function givenOf(
  query: Parameters<typeof readStepCalls>[0],
  { parent, definition, asked, before }: Read,
  wish: ForkWish,
): Promise<Pick<ForkToInsert, 'reply' | 'results'>> {
  const { index, edit, step } = wish;
  if (index !== undefined && asked !== undefined) {
    const { fragment, results } = planToolFork({
      run: parent.id,
      wish: { ...wish, index },
      frozen: definition.frozen,
      asked,
      rows: await readStepCalls(query, parent.no, step),
      settled: before.settled,
    });
    return { reply: { position: asked.position, fragment }, results };
  }
  if (edit.reply === undefined) return { results: [] };
  return { reply: { position: wish.at, fragment: replyMessage(wish.at, edit.reply) }, results: [] };
}

/** A reply as the transcript holds it. */
function replyMessage(at: Position, reply: GivenReply): string {
  if (typeof reply === 'string') return assistantMessage({ text: reply, toolCalls: [] });
  const { text = '', calls = [], output } = reply;
  return assistantMessage({
    text: output === undefined ? text : canonicalJson(output),
    toolCalls: calls.map((call, index) => ({
      id: `given_${at.replaceAll('/', '_')}_${index + 1}`.slice(0, callIdCharsMax),
      name: call.tool,
      argumentsText: canonicalJson(call.arguments ?? {}),
    })),
  });
}

/** Providers refuse longer ids of calls. */
const callIdCharsMax = 40;
