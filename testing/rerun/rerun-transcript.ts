/** The messages of a rerun as its model sees them, and the prompts that they make, byte for byte. */
import {
  closePrompt,
  type OpenPrompt,
  openPrompt,
  withMessages,
} from '../../activities/transcript-cache.ts';
import type { Hash, TranscriptHead } from '../../contracts/agent-run.ts';
import { chainHead, sha256 } from '../../storage/hash.ts';
import type { TodaysAgent } from './todays-agent.ts';

export interface RerunPrompt {
  readonly model: string;
  readonly body: string;
  readonly hash: Hash;
  /** The transcript that it ends with. */
  readonly after: Omit<TranscriptHead, 'tokens'>;
}

/** A prompt is a prefix of the next, so each message is hashed once for each model. */
export class RerunTranscript {
  readonly #today: TodaysAgent;
  #system: string | undefined;
  #messages: string[] = [];
  #head: Omit<TranscriptHead, 'tokens'> = { chain: 0, length: 0, head: '', bytes: 0 };
  #open: { readonly model: string; readonly prompt: OpenPrompt } | undefined;

  constructor(today: TodaysAgent) {
    this.#today = today;
  }

  get length(): number {
    return this.#messages.length;
  }

  /** The newest message. */
  get last(): string {
    return this.#messages.at(-1) ?? '';
  }

  get chain(): number {
    return this.#head.chain;
  }

  /** Takes over messages as they are, under the head that they have. */
  begin(messages: readonly string[], head: TranscriptHead, system: string | undefined): void {
    const { tokens: _, ...rest } = head;
    this.#messages = [...messages];
    this.#head = rest;
    this.#system = system;
    this.#open = undefined;
  }

  /** The prompt for a model with more messages behind those that are there. Nothing is kept of them. */
  prompt(model: string, more: readonly string[]): RerunPrompt {
    const { body, hash } = closePrompt(withMessages(this.#until(model), more));
    return { model, body, hash, after: more.reduce(withMessage, this.#head) };
  }

  /** A reply was taken: the messages before it and itself are part of the transcript from now on. */
  accept(model: string, more: readonly string[], reply: string): TranscriptHead {
    const added = [...more, reply];
    const prompt = withMessages(this.#until(model), added);
    this.#open = { model, prompt };
    this.#messages.push(...added);
    this.#head = added.reduce(withMessage, this.#head);
    return this.#head;
  }

  /** The head of the transcript, were this the reply to a prompt. */
  headWith({ after }: RerunPrompt, reply: string): Hash {
    return chainHead(after.head, sha256(reply));
  }

  #until(model: string): OpenPrompt {
    if (this.#open?.model !== model) {
      const system = this.#system === undefined ? '' : `${this.#system},`;
      const prompt = withMessages(
        openPrompt(`${this.#today.head(model)}${system}`),
        this.#messages,
      );
      this.#open = { model, prompt };
    }
    return this.#open.prompt;
  }
}

const withMessage = <Head extends Omit<TranscriptHead, 'tokens'>>(
  head: Head,
  message: string,
): Head => ({
  ...head,
  length: head.length + 1,
  head: chainHead(head.head, sha256(message)),
  bytes: head.bytes + Buffer.byteLength(message) + 1,
});
