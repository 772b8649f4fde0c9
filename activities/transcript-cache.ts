/**
 * Prompts as far as they are rendered, in this worker's memory: a step then costs what it adds, not
 * what the run has said so far. A miss costs one range scan; nothing is lost with the cache.
 */
import { createHash, type Hash as RunningHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Hash } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import { promptTail } from '../rules/render-message.ts';

/** A prompt without its end: more messages may be appended. */
export interface OpenPrompt {
  readonly text: string;
  /** SHA-256 of `text` so far; never finished, only copied. */
  readonly hash: RunningHash;
  readonly messages: number;
}

export interface TranscriptCache {
  prompt(key: string): OpenPrompt | undefined;
  keepPrompt(key: string, prompt: OpenPrompt): void;
  forgetPrompt(key: string): void;
  /** A tool result's message, kept from `runTool` for the model call that follows it. */
  fragment(hash: Hash): string | undefined;
  keepFragment(hash: Hash, fragment: string): void;
}

export function createTranscriptCache(): TranscriptCache {
  const half = limits.transcriptCacheBytesMax / 2;
  const prompts = new LRUCache<string, OpenPrompt>({
    maxSize: half,
    sizeCalculation: (prompt) => prompt.text.length + 512,
  });
  const fragments = new LRUCache<Hash, string>({
    maxSize: half,
    sizeCalculation: (fragment) => fragment.length + 128,
  });
  return {
    prompt: (key) => prompts.get(key),
    keepPrompt: (key, prompt) => void prompts.set(key, prompt),
    forgetPrompt: (key) => void prompts.delete(key),
    fragment: (hash) => fragments.get(hash),
    keepFragment: (hash, fragment) => void fragments.set(hash, fragment),
  };
}

export function openPrompt(head: string): OpenPrompt {
  return { text: head, hash: createHash('sha256').update(head), messages: 0 };
}

export function withMessages(prompt: OpenPrompt, fragments: readonly string[]): OpenPrompt {
  if (fragments.length === 0) return prompt;
  const more = `${prompt.messages === 0 ? '' : ','}${fragments.join(',')}`;
  return {
    text: prompt.text + more,
    hash: prompt.hash.copy().update(more),
    messages: prompt.messages + fragments.length,
  };
}

/** The HTTP body, and the hash of exactly these bytes. */
export function closePrompt(prompt: OpenPrompt): { readonly body: string; readonly hash: Hash } {
  return {
    body: prompt.text + promptTail,
    hash: prompt.hash.copy().update(promptTail).digest('base64url'),
  };
}
