/**
 * What a tool's own `verify` says of an attempt whose outcome nobody knows.
 *
 * Only the two plain answers count. Whatever else comes back, a thrown error or no answer in time is
 * "unknown": an effect is never repeated because an answer was misread.
 */
import { limits } from '../contracts/limits.ts';
import type { ToolContext } from '../definitions/internal.ts';
import { whenAborted } from './execute-tool.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';

export type Verification =
  | { readonly done: true; readonly output: unknown }
  | { readonly done: false }
  /** `because` is for the human who is asked. */
  | { readonly done: 'unknown'; readonly because: string };

export async function verifyEffect(
  { tool, arguments: given }: ToolCallAtHand,
  context: ToolContext,
): Promise<Verification> {
  try {
    const answer: unknown = await Promise.race([
      tool.input.parseAsync(given).then((parsed) => tool.verify?.(parsed, context)),
      // A verification that ignores its signal must not hold the call.
      whenAborted(context.signal),
    ]);
    return readAnswer(answer);
  } catch (error) {
    return unknown(`\`verify\` failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readAnswer(answer: unknown): Verification {
  if (typeof answer === 'object' && answer !== null && 'done' in answer) {
    if (answer.done === true)
      return { done: true, output: 'output' in answer ? answer.output : undefined };
    if (answer.done === false) return { done: false };
    if (answer.done === 'unknown') return unknown('`verify` could not tell.');
  }
  return unknown(
    `\`verify\` answered ${shown(answer)}; { done: true, output }, { done: false } and { done: 'unknown' } are what it may say.`,
  );
}

function shown(answer: unknown): string {
  try {
    return (JSON.stringify(answer) ?? typeof answer).slice(0, 80);
  } catch {
    return typeof answer;
  }
}

const unknown = (because: string): Verification => ({
  done: 'unknown',
  because: because.slice(0, limits.toolErrorCharsMax),
});
