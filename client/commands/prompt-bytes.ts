import { BelayerError, failureType } from '../../contracts/failures.ts';
import { promptTail } from '../../rules/render-message.ts';
import { sha256 } from '../../storage/hash.ts';
import type { StoredPrompt } from '../../storage/reading-runs.ts';

/**
 * The body of the request as it was sent, put together from what is stored.
 *
 * @throws PositionConflict  It does not hash to what was recorded when it was sent: something that
 *                           is stored was changed, and nothing is shown in its place.
 */
export function promptBytes(prompt: StoredPrompt, where: string): string {
  const { head, system, messages } = prompt;
  const body = `${head}${system === null ? '' : `${system},`}${messages.join(',')}${promptTail}`;
  const hash = sha256(body);
  if (hash === prompt.hash) return body;
  throw new BelayerError(
    failureType.positionConflict,
    `The prompt that is stored for ${where} is not the one that was sent: it hashes to ${hash}, and ${prompt.hash} was recorded (${prompt.bytes} bytes). The database was changed, or is damaged.`,
  );
}
