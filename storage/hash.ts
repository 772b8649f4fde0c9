import { createHash, randomBytes } from 'node:crypto';
import type { Hash } from '../contracts/agent-run.ts';

/** SHA-256 of a text's UTF-8 bytes, base64url without padding: 43 characters. */
export const sha256 = (text: string): Hash => createHash('sha256').update(text).digest('base64url');

/**
 * The head of a chain after one more message: it names every message before it, in order.
 * The separator cannot occur in base64url, so no two histories share a head.
 */
export const chainHead = (before: Hash, fragment: Hash): Hash => sha256(`${before}.${fragment}`);

/** The head of a chain without messages. */
export const chainStart: Hash = '';

/** A new run id: sortable by time to the second, and safe in a URL, a file name and a shell. */
export function newRunId(agent: string): string {
  const seconds = Math.floor(Date.now() / 1000)
    .toString(36)
    .padStart(7, '0');
  return `${agent}-${seconds}${randomBytes(5).toString('hex')}`;
}
