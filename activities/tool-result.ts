/** What a finished tool call leaves: the message for the model, by hash, and the workflow's answer. */
import type { Hash } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import { toolErrorMessage, toolMessage } from '../rules/render-message.ts';
import { sha256 } from '../storage/hash.ts';
import type { ToolResultRecord } from '../storage/ledger.ts';
import type { ToolOutcome } from './execute-tool.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';

export function okResult(
  atHand: ToolCallAtHand,
  outcome: Extract<ToolOutcome, { readonly kind: 'ok' }>,
): ToolResultRecord {
  const text = headOf(outcome.text, atHand.resultTokensMax);
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
  const { code, message, hint, retryable } = outcome;
  const text = toolErrorMessage(atHand.input.id, {
    code,
    message,
    retryable,
    attempts,
    ...(hint === undefined ? {} : { hint }),
  });
  return toolResult(text, {
    input: atHand.inputHash,
    status: 'failed',
    code,
    costMicroUsd: outcome.costMicroUsd,
  });
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
function headOf(text: string, tokensMax: number): string {
  const charsMax = Math.min(tokensMax * charsPerToken, limits.toolResultBytesMax);
  if (text.length <= charsMax) return text;
  return `${text.slice(0, charsMax)}\n[cut: ${charsMax} of ${text.length} characters]`;
}
