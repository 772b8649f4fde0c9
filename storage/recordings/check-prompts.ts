/**
 * Holds every prompt of a run against the hash that was recorded when it was sent, and the transcript
 * against its heads.
 *
 * A prompt is a prefix of the next, so one pass over a chain hashes all of its prompts: the work grows
 * with the transcript, not with its square.
 */
import { createHash, type Hash as Hashing } from 'node:crypto';
import type { Hash } from '../../contracts/agent-run.ts';
import { promptTail } from '../../rules/render-message.ts';
import { chainHead, chainStart, sha256 } from '../hash.ts';
import type { Query } from '../transaction.ts';
import { readRows } from './read-rows.ts';

export interface PromptCheck {
  /** Prompts that hash to what was recorded. */
  readonly whole: number;
  /** What does not, by name. */
  readonly wrong: readonly {
    readonly what: 'prompt' | 'transcript';
    /** A position with its attempt, or a chain with its message. */
    readonly at: string;
    readonly recorded: Hash;
    readonly found: Hash;
  }[];
}

interface SentPrompt {
  readonly position: string;
  readonly number: number;
  readonly hash: Hash;
  readonly headHash: Hash;
  readonly head: string | null;
  readonly system: string | null;
  readonly chain: number;
  readonly length: number;
}

/** What is known not to hash, since it was redacted. */
export interface KnownVoid {
  prompt(position: string, attempt: number): boolean;
  /** The first message of a chain whose head does not hash. */
  chainFrom(chain: number): number;
}

export async function checkPrompts(
  query: Query,
  runNo: number,
  known: KnownVoid,
): Promise<PromptCheck> {
  const prompts = await query<SentPrompt>(
    {
      text: `select a.position, a.number, a.prompt_hash as hash, a.prompt_head as "headHash", f.body as head, p.system, a.chain, a.length
        from belayer.attempt a join belayer.pulse p on p.run_no = a.run_no left join belayer.fragment f on f.hash = a.prompt_head
        where a.run_no = $1 and a.prompt_hash is not null and a.prompt_head is not null order by a.length`,
    },
    [runNo],
  );
  const chains = await query<{ chain: number; length: number }>(
    {
      text: 'select chain, max(seq) + 1 as length from belayer.entry where run_no = $1 group by chain order by chain',
    },
    [runNo],
  );
  const wrong: PromptCheck['wrong'][number][] = [];
  let whole = 0;
  for (const { chain, length } of chains) {
    const sent = prompts.filter((prompt) => prompt.chain === chain);
    const check = checkChain(sent, known, chain);
    const select = `select f.seq, f.at, f.body, e.head from belayer.chain_fragments($1, $2, 0, $3) f
      left join belayer.entry e on e.run_no = $1 and e.chain = $2 and e.seq = f.seq order by f.seq`;
    for await (const row of readRows(query, select, [runNo, chain, length]))
      check.message(row as unknown as ChainMessage);
    whole += check.whole();
    wrong.push(...check.wrong);
  }
  return { whole, wrong };
}

interface ChainMessage {
  readonly seq: number;
  readonly at: string;
  readonly body: string | null;
  readonly head: Hash | null;
}

function checkChain(prompts: readonly SentPrompt[], known: KnownVoid, chain: number) {
  const wrong: PromptCheck['wrong'][number][] = [];
  const hashing = new Map<Hash, Hashing>();
  for (const { headHash, head, system } of prompts)
    if (!hashing.has(headHash))
      hashing.set(
        headHash,
        createHash('sha256').update(`${head ?? ''}${system === null ? '' : `${system},`}`),
      );
  let whole = 0;
  let next = 0;
  let before: Hash = chainStart;
  return {
    wrong,
    whole: () => whole,
    message({ seq, at, body, head }: ChainMessage): void {
      for (const hash of hashing.values()) hash.update(`${seq === 0 ? '' : ','}${body ?? ''}`);
      // What a raw message named and nobody stored bears the hash that it was named by.
      const isUnstored = at.startsWith('said/') && body?.includes('not on record') === true;
      const found = chainHead(before, isUnstored ? at.slice(5) : sha256(body ?? ''));
      if (head !== null && head !== found && seq < known.chainFrom(chain))
        wrong.push({ what: 'transcript', at: `${chain}.${seq}`, recorded: head, found });
      before = head ?? found;
      for (; next < prompts.length && prompts[next]?.length === seq + 1; next += 1) {
        const { position, number, hash, headHash } = prompts[next] as SentPrompt;
        if (known.prompt(position, number)) continue;
        const digest = hashing.get(headHash)?.copy().update(promptTail).digest('base64url') ?? '';
        if (digest === hash) whole += 1;
        else
          wrong.push({
            what: 'prompt',
            at: `${position}#${number}`,
            recorded: hash,
            found: digest,
          });
      }
    },
  };
}
