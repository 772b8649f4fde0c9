/** How an attempt of a tool call is told: to the platform, which tries again, and to watchers. */
import { ApplicationFailure } from '@temporalio/common';
import { toolErrorCode } from '../contracts/agent-run.ts';
import { failureType, invariant } from '../contracts/failures.ts';
import { delayBeforeNext } from './attempt-bounds.ts';
import type { ToolOutcome } from './tool-outcome.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';

/** @param delayMs how long the platform waits before the next attempt. */
export const retryLater = (
  atHand: ToolCallAtHand,
  code: string,
  delayMs: number,
): ApplicationFailure =>
  ApplicationFailure.create({
    type: failureType.toolUnavailable,
    message: `Tool ${atHand.input.tool} at ${atHand.input.position} failed: ${code || toolErrorCode.failed}.`,
    // Temporal takes zero for no answer.
    nextRetryDelay: Math.max(1, delayMs),
  });

/** When the next attempt is made, or undefined where this was the last. */
export function nextDelayMs(
  atHand: ToolCallAtHand,
  outcome: ToolOutcome,
  made: number,
): number | undefined {
  if (outcome.kind === 'failed' && outcome.refusedForMs !== undefined) return outcome.refusedForMs;
  invariant(atHand.bounds !== undefined, 'a call on a worker has bounds');
  return delayBeforeNext(atHand.bounds, made, { ms: Date.now(), random: Math.random() });
}

/** Where an exhausted call goes next. */
export const wayOut = (atHand: ToolCallAtHand): 'fallback' | 'escalate' =>
  atHand.hasFallbacks === true ? 'fallback' : 'escalate';

const unusable: readonly string[] = [
  toolErrorCode.badOutput,
  toolErrorCode.emptyOutput,
  toolErrorCode.resultTooLarge,
];

/**
 * Whether a failure goes to the call's next way out, a fallback or a human, and not to the model: it
 * is of a kind that passes, or the answer of a tool that changes nothing is unusable. What a tool's
 * author calls final is an answer, and arguments that do not fit are the model's own mistake.
 */
export const isExhausted = (atHand: ToolCallAtHand, outcome: ToolOutcome): boolean =>
  atHand.input.waysOut === true &&
  outcome.kind === 'failed' &&
  (outcome.retryable || (atHand.tool.data.effect !== 'write' && unusable.includes(outcome.code)));

export function eventOf(
  tool: string,
  outcome: ToolOutcome,
  latencyMs: number,
  next: 'retry' | 'ask' | 'queue' | 'verify' | 'fallback' | 'escalate',
): Readonly<Record<string, unknown>> {
  return {
    tool,
    status: outcome.kind === 'ok' ? 'ok' : 'failed',
    latencyMs: Math.round(latencyMs),
    ...(outcome.kind === 'failed' ? { code: outcome.code, next } : {}),
  };
}
