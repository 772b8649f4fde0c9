import { limits } from '../contracts/limits.ts';
import type { DecisionMessage, HaltMessage } from '../contracts/messages.ts';
import type { RunState } from './run-state.ts';

/**
 * Why a decision cannot be taken, or undefined where it can.
 *
 * A decision names its request and, by hash, the exact arguments that the decider saw; one about a
 * request that is closed, overdue, unknown or about other arguments changes nothing.
 */
export function refuseDecision(
  state: RunState,
  decision: DecisionMessage,
  nowMs: number,
): string | undefined {
  if (typeof decision?.request !== 'string' || typeof decision.by !== 'string')
    return 'A decision needs `request`, `argumentsHash` and `by`.';
  if (decision.by.length === 0 || decision.by.length > limits.decidedByCharsMax)
    return `\`by\` must have 1 to ${limits.decidedByCharsMax} characters.`;
  if ((decision.reason?.length ?? 0) > limits.reasonCharsMax)
    return `\`reason\` has more than ${limits.reasonCharsMax} characters.`;
  const request = state.requests.find((candidate) => candidate.position === decision.request);
  if (request === undefined)
    return `There is no open request ${decision.request} in this run. It may have been decided already.`;
  // What became of an effect is still to be said, or the halted run would wait for it in vain.
  if (state.halt !== undefined && request.kind !== 'unknown') return 'The run is halted.';
  if (request.phase !== 'open' && request.phase !== 'to-open')
    return `Request ${decision.request} has been decided already${request.decision === undefined ? '' : ` (${request.decision.verdict} by ${request.decision.by})`}.`;
  if (request.deadlineMs <= nowMs) return `The deadline of request ${decision.request} has passed.`;
  if (request.argumentsHash !== decision.argumentsHash)
    return `The decision is about other arguments: ${decision.argumentsHash} is not ${request.argumentsHash}, the hash of request ${decision.request}.`;
  return undefined;
}

/** Text of a raw signal, held to its limits: a halt is never refused for its wording. */
export function toHalt(message: Partial<HaltMessage> | undefined): HaltMessage {
  const text = (value: unknown, otherwise: string, charsMax: number): string =>
    typeof value === 'string' && value !== '' ? value.slice(0, charsMax) : otherwise;
  return {
    reason: text(message?.reason, 'no reason given', limits.reasonCharsMax),
    by: text(message?.by, 'whoever holds Temporal credentials', limits.decidedByCharsMax),
    flagged: message?.flagged === true,
  };
}
