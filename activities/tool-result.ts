/** What a finished tool call leaves: the message for the model, by hash, and the workflow's answer. */
import type { Hash, RunToolOutput, ToolErrorNote } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { toolErrorMessage, toolMessage } from '../rules/render-message.ts';
import { sha256 } from '../storage/hash.ts';
import type { ToolResultRecord } from '../storage/ledger.ts';
import type { ToolOutcome } from './tool-outcome.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';

export function okResult(
  atHand: ToolCallAtHand,
  outcome: Extract<ToolOutcome, { readonly kind: 'ok' }>,
): ToolResultRecord {
  const said = whatRan(atHand).map((sentence) => `[${sentence}]\n`);
  const text = headOf(outcome.text, atHand.resultTokensMax, said.join(''));
  return toolResult(toolMessage(atHand.input.id, text), {
    input: atHand.inputHash,
    status: 'ok',
    costMicroUsd: outcome.costMicroUsd,
  });
}

export function failedResult(
  atHand: ToolCallAtHand,
  outcome: Extract<ToolOutcome, { readonly kind: 'failed' }>,
  attempts: number,
): ToolResultRecord {
  const error = errorNote(atHand, outcome, attempts);
  return toolResult(toolErrorMessage(atHand.input.id, error), {
    input: atHand.inputHash,
    status: 'failed',
    code: error.code,
    costMicroUsd: outcome.costMicroUsd,
  });
}

/** Its attempts are used up, and the next way out is tried: nothing is told to the model yet. */
export const exhausted = (
  atHand: ToolCallAtHand,
  outcome: Extract<ToolOutcome, { readonly kind: 'failed' }>,
  attempts: number,
): RunToolOutput => ({
  kind: 'exhausted',
  input: atHand.inputHash,
  error: errorNote(atHand, outcome, attempts),
  ...(outcome.costMicroUsd === 0 ? {} : { costMicroUsd: outcome.costMicroUsd }),
});

function errorNote(
  atHand: ToolCallAtHand,
  { code, message, retryable, hint }: Extract<ToolOutcome, { readonly kind: 'failed' }>,
  attempts: number,
): ToolErrorNote {
  const hints = [...whatRan(atHand).map((sentence) => `${sentence}.`), ...(hint ? [hint] : [])];
  return {
    code,
    message,
    retryable,
    attempts,
    ...(hints.length === 0 ? {} : { hint: hints.join(' ') }),
  };
}

/** What the model must know of a call that is not the one it asked for. */
function whatRan({ input, arguments: given }: ToolCallAtHand): readonly string[] {
  const sentences: string[] = [];
  if (input.instead !== undefined)
    sentences.push(
      `${input.instead.tool} failed (${input.instead.code}); ${input.tool} ran instead`,
    );
  if (input.edited !== undefined) {
    const text = canonicalJson(given);
    const shown =
      text.length <= limits.inlineTextBytesMax
        ? text
        : `${text.slice(0, limits.inlineTextBytesMax)} ...`;
    sentences.push(`a human changed the arguments to ${shown}`);
  }
  return sentences;
}

/** A message for the model with the answer that names it: of a tool's own call, or of a child run. */
export function toolResult(
  fragment: string,
  end: {
    readonly input: Hash;
    readonly status: 'ok' | 'failed';
    readonly code?: string | undefined;
    readonly costMicroUsd: number;
  },
): ToolResultRecord {
  const hash = sha256(fragment);
  return {
    fragment,
    fragmentHash: hash,
    answer: {
      kind: 'done',
      input: end.input,
      status: end.status,
      hash,
      bytes: Buffer.byteLength(fragment),
      ...(end.code === undefined ? {} : { code: end.code }),
      ...(end.costMicroUsd === 0 ? {} : { costMicroUsd: end.costMicroUsd }),
      label: 'U',
    },
  };
}

/** Characters of text for one token: English prose has about 4, and a cut must not be too early. */
const charsPerToken = 4;

/**
 * The head of a result that is longer than the model may see, with a line that says so. Artifacts
 * with a handle to read the rest come with the memory of a run; until then the rest is not kept.
 */
function headOf(text: string, tokensMax: number, said: string): string {
  // What is said of the call counts too, but never crowds the result out altogether.
  const allMax = Math.min(tokensMax * charsPerToken, limits.toolResultBytesMax);
  const charsMax = Math.max(Math.ceil(allMax / 2), allMax - said.length);
  if (text.length <= charsMax) return said + text;
  return `${said}${text.slice(0, charsMax)}\n[cut: ${charsMax} of ${text.length} characters]`;
}
