import { BelayerError, failureType } from '../../contracts/failures.ts';
import { promptTail } from '../../rules/render-message.ts';
import { sha256 } from '../../storage/hash.ts';
import type { StoredPrompt } from '../../storage/reading-runs.ts';

/**
 * The body of the request as it was sent, put together from what is stored.
 *
 * @throws ContentRedacted   Of an imported run: something of it was taken out when it was exported.
 * @throws PositionConflict  It does not hash to what was recorded when it was sent: something that
 *                           is stored was changed, and nothing is shown in its place.
 */
export function promptBytes(prompt: StoredPrompt, where: string): string {
  if (prompt.isRedacted)
    throw new BelayerError(
      failureType.contentRedacted,
      `Something of the prompt for ${where} was redacted when the run was exported, so the bytes that were sent cannot be put together. Without --prompt, what is left of it is shown.`,
    );
  const body = promptText(prompt);
  const hash = sha256(body);
  if (hash === prompt.hash) return body;
  throw new BelayerError(
    failureType.positionConflict,
    `The prompt that is stored for ${where} is not the one that was sent: it hashes to ${hash}, and ${prompt.hash} was recorded (${prompt.bytes} bytes). The database was changed, or is damaged.`,
  );
}

/** What is stored of a prompt, whether or not it is what was sent. */
export const promptText = ({ head, system, messages }: StoredPrompt): string =>
  `${head}${system === null ? '' : `${system},`}${messages.join(',')}${promptTail}`;
