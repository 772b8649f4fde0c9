/**
 * What a model call will send, named before its bytes are at hand: the chain's next heads are made
 * of hashes alone, so the claim needs no content, and what this worker does not hold rendered comes
 * back with the claim.
 */
import type { CallModelInput, EntryRef, Hash, TranscriptHead } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import { systemMessage, toolErrorMessage, userMessage } from '../rules/render-message.ts';
import type { StoredDefinition } from '../storage/definitions.ts';
import { chainHead, sha256 } from '../storage/hash.ts';
import type { NewEntry } from '../storage/ledger.ts';
import { readCallFragment, readFragments, seedSystemMessage } from '../storage/transcript.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findAgent } from './find-code.ts';
import { isTokenizerKnown, tokensOf } from './models/count-tokens.ts';
import { type OpenPrompt, openPrompt, withMessages } from './transcript-cache.ts';

export interface PreparedPrompt {
  /** Names the request: the same at the same position means the same prompt. */
  readonly requestHash: Hash;
  readonly headHash: Hash;
  readonly entries: readonly NewEntry[];
  /** The chain with the new entries. */
  readonly after: TranscriptHead;
  /** UTF-8 bytes of the whole body. */
  readonly bytes: number;
  /**
   * No prompt has more tokens: what the provider counted up to the last reply, and one for each byte
   * of what is new, since a token of a byte-level tokenizer is at least one byte.
   */
  readonly tokensMax: number;
  /** Ask the claim for the chain's fragments from here on; absent: all are at hand. */
  readonly wantFrom: number | undefined;
  /** The model's tokenizer is known, so an exact count can be had. */
  readonly canCount: boolean;
  /** Reads what is not at hand, before the claim. */
  load(): Promise<void>;
  /** Gives the fragments that the claim brought. */
  complete(fragments: readonly string[] | null): void;
  open(): OpenPrompt;
  /** Exact where the tokenizer is known, else an estimate on the safe side. */
  countTokens(): Promise<number>;
  /** Remembers the prompt with the reply, for the next step. */
  keep(prompt: OpenPrompt, head: Hash): void;
}

export async function preparePrompt(
  deps: ActivityDependencies,
  run: string,
  input: CallModelInput,
  definition: StoredDefinition,
): Promise<PreparedPrompt> {
  const head = definition.heads[input.model];
  invariant(head !== undefined, `definition ${definition.hash} has a prompt for ${input.model}`);
  const system = await systemText(deps, run, input, definition);
  const begin = system === undefined ? head.body : `${head.body}${system},`;
  const beginHash = system === undefined ? head.hash : sha256(begin);
  const cacheKey = (chain: Hash): string => `${beginHash}.${chain}`;

  const rendered = input.entries.map((entry) => render(deps, entry));
  let chain = input.transcript.head;
  let bytes = input.transcript.bytes;
  const entries = rendered.map((entry, index): NewEntry => {
    chain = chainHead(chain, entry.hash);
    bytes += entry.bytes + 1;
    const at = input.entries[index]?.at ?? '';
    return entry.stored || entry.text === undefined
      ? { head: chain, at }
      : { head: chain, at, fragment: entry.text };
  });
  const after: TranscriptHead = {
    chain: input.transcript.chain,
    length: input.transcript.length + entries.length,
    head: chain,
    bytes,
  };

  const cached = deps.transcripts.prompt(cacheKey(input.transcript.head));
  const texts = rendered.map((entry) => entry.text);
  const allAtHand = texts.every((text) => text !== undefined);
  const wantFrom = cached === undefined ? 0 : allAtHand ? undefined : input.transcript.length;
  let prompt =
    wantFrom === undefined && cached !== undefined
      ? withMessages(cached, texts as string[])
      : undefined;

  const prepared: PreparedPrompt = {
    requestHash: sha256(`${beginHash}.${chain}`),
    headHash: head.hash,
    entries,
    after,
    bytes: Buffer.byteLength(begin) + bytes + 2,
    tokensMax:
      input.transcript.tokens === undefined
        ? Buffer.byteLength(begin) + bytes + 2
        : input.transcript.tokens +
          (bytes - input.transcript.bytes) +
          entries.length * tokensPerMessageMax,
    get wantFrom() {
      return prompt === undefined ? wantFrom : undefined;
    },
    canCount: isTokenizerKnown(input.model),
    async load() {
      if (prompt !== undefined) return;
      const stored =
        cached === undefined
          ? await readFragments(deps.database, run, { ...input.transcript, from: 0 })
          : [];
      const fresh = await Promise.all(
        rendered.map(
          async (entry, index) =>
            entry.text ?? readCallFragment(deps.database, run, input.entries[index]?.at ?? ''),
        ),
      );
      prompt = withMessages(cached ?? openPrompt(begin), [...stored, ...fresh]);
    },
    complete(fragments) {
      if (prompt !== undefined) return;
      invariant(fragments !== null, 'the claim brings what was asked for');
      const base = cached ?? openPrompt(begin);
      invariant(
        fragments.length === after.length - (wantFrom ?? 0),
        `the chain has ${after.length} messages`,
      );
      prompt = withMessages(base, fragments);
    },
    open() {
      invariant(prompt !== undefined, 'the prompt is complete before it is sent');
      return prompt;
    },
    async countTokens() {
      if (!isTokenizerKnown(input.model))
        return Math.min(prepared.tokensMax, Math.ceil(prepared.bytes / bytesPerToken));
      await prepared.load();
      return tokensOf(prepared.open().text, input.model);
    },
    keep(next, newHead) {
      deps.transcripts.forgetPrompt(cacheKey(input.transcript.head));
      deps.transcripts.keepPrompt(cacheKey(newHead), next);
    },
  };
  return prepared;
}

/** What a chat template puts around one message; the published ones need 3 to 5. */
const tokensPerMessageMax = 16;

/**
 * Of prompts for models without a known tokenizer. English prose has about 4 bytes a token, JSON
 * and code about 3; the context limit it serves is the application's own, not the provider's.
 */
const bytesPerToken = 3;

interface Rendered {
  readonly hash: Hash;
  readonly bytes: number;
  readonly text: string | undefined;
  /** The ledger holds it at its position; the entry only names it. */
  readonly stored: boolean;
}

function render(deps: ActivityDependencies, entry: EntryRef): Rendered {
  if ('hash' in entry)
    return {
      hash: entry.hash,
      bytes: entry.bytes,
      text: deps.transcripts.fragment(entry.hash),
      stored: true,
    };
  const text = 'say' in entry ? userMessage(entry.say) : toolErrorMessage(entry.id, entry.error);
  return { hash: sha256(text), bytes: Buffer.byteLength(text), text, stored: false };
}

/** The system message of an agent whose instructions are a function: called once, recorded, kept. */
async function systemText(
  deps: ActivityDependencies,
  run: string,
  input: CallModelInput,
  definition: StoredDefinition,
): Promise<string | undefined> {
  if (definition.frozen.instructions.kind === 'text') return undefined;
  const key = `system.${run}`;
  const known = deps.transcripts.fragment(key);
  if (known !== undefined) return known;
  const stored = await seedSystemMessage(deps.database, run, async (first) => {
    const agent = findAgent(deps, definition);
    invariant(typeof agent.instructions === 'function', 'the instructions are a function');
    const value: unknown = agent.input === undefined ? first : JSON.parse(first);
    const parsed = agent.input === undefined ? value : await agent.input.parseAsync(value);
    return systemMessage(await agent.instructions(parsed));
  });
  deps.transcripts.keepFragment(key, stored);
  return stored;
}
