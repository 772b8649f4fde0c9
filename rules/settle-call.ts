import { type ToolErrorNote, toolErrorCode } from '../contracts/agent-run.ts';
import type { ToolPolicy } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import { escalationPosition, type Position } from '../contracts/positions.ts';
import { newRequest } from './new-request.ts';
import { callAt, isStopping, originOf, type RunState, withCall } from './run-state.ts';

/** The call ends without a result of its own: the model is told why. */
export function settleWith(state: RunState, position: Position, error: ToolErrorNote): RunState {
  return withCall(state, position, (call) => ({
    ...call,
    phase: 'settled',
    result: { at: position, id: call.proposed.id, error: withOrigin(error, call.instead) },
  }));
}

/** What failed first belongs to the story of what failed in its place. */
function withOrigin(
  error: ToolErrorNote,
  instead: { readonly tool: string; readonly code: string } | undefined,
): ToolErrorNote {
  if (instead === undefined) return error;
  const message = `\`${instead.tool}\` failed (${instead.code}), and so did what was tried in its place: ${error.message}`;
  return { ...error, message: message.slice(0, limits.toolErrorCharsMax) };
}

/**
 * One way of doing the call came to nothing, and nothing happened outside: the next fallback is
 * tried, then a human is asked about a critical one, and only then is the model told.
 */
export function afterWayEnds(state: RunState, position: Position, error: ToolErrorNote): RunState {
  const call = callAt(state, position);
  const origin = originOf(call);
  if (isStopping(state)) return settleWith(state, position, error);
  if ((call.fallbacksTried ?? 0) < (origin.policy.fallbacks ?? []).length)
    return withCall(state, position, (running) => ({
      ...running,
      phase: 'falling-back',
      failure: error,
    }));
  if (origin.policy.critical !== true) return settleWith(state, position, error);
  const time = (call.escalations ?? 0) + 1;
  const asking = withCall(state, position, (running) => ({
    ...running,
    phase: 'asking',
    failure: error,
    escalations: time,
  }));
  return newRequest(asking, {
    position: escalationPosition(origin.position, time),
    call: position,
    kind: 'escalation',
    about: 'tool',
    argumentsHash: origin.proposed.argumentsHash,
    policy: origin.policy,
    detail:
      `\`${origin.proposed.tool}\` is critical, and every way of doing it failed. The last: ${error.code}: ${error.message}`.slice(
        0,
        limits.toolErrorCharsMax,
      ),
  });
}

export const unknownNote: ToolErrorNote = {
  code: toolErrorCode.outcomeUnknown,
  message: 'Nobody knows whether this happened. It was not tried again.',
  retryable: false,
  attempts: 1,
  hint: 'Do not repeat it. Say that the outcome is not known.',
};

export const interruptedNote: ToolErrorNote = {
  code: toolErrorCode.interrupted,
  message: 'A new message arrived, and this did not run to its end.',
  retryable: true,
  attempts: 0,
};

export const skippedNote: ToolErrorNote = {
  code: toolErrorCode.skipped,
  message: 'This did not run: the output that came beside it was enough.',
  retryable: false,
  attempts: 0,
};

/** The policy of a tool that does not exist; its calls carry an error and never run. */
export const nothing: ToolPolicy = {
  effect: 'none',
  placement: 'queue',
  timeoutMs: limits.toolMsDefault,
  retry: { attempts: 1, firstDelayMs: 0, factor: 1, maxDelayMs: 0 },
};

/** The name is a model's: `constructor` must not find what every object inherits. */
export const policyOf = (state: RunState, tool: string): ToolPolicy =>
  Object.hasOwn(state.input.tools, tool) ? (state.input.tools[tool] ?? nothing) : nothing;
