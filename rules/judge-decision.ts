import { limits } from '../contracts/limits.ts';
import type { AnswerMessage, DecisionMessage } from '../contracts/messages.ts';
import { canBeDecided } from './after-humans.ts';
import type { RequestState, RunState } from './run-state.ts';
import { refuseWho } from './who-may.ts';

export type Deciding = 'approve' | 'deny' | 'answer';

/**
 * Why a decision cannot be taken, or undefined where it can.
 *
 * A decision names its request and, by hash, the exact arguments that the decider saw; one about a
 * request that is closed, overdue, unknown or about other arguments, or by someone who may not
 * decide, changes nothing. Whether an edit or an answer fits is known only where the application is.
 */
export function refuseDecision(
  state: RunState,
  deciding: Deciding,
  decision: DecisionMessage | AnswerMessage,
  nowMs: number,
): string | undefined {
  const misspelt = refuseShape(deciding, decision);
  if (misspelt !== undefined) return misspelt;
  const request = state.requests.find((candidate) => candidate.position === decision.request);
  if (request === undefined)
    return `There is no open request ${decision.request} in this run. It may have been decided already.`;
  // What became of an effect is still to be said, or the halted run would wait for it in vain.
  if (state.halt !== undefined && request.kind !== 'unknown') return 'The run is halted.';
  if (!canBeDecided(request))
    return `Request ${decision.request} has been decided already${request.decision === undefined ? '' : ` (${request.decision.verdict} by ${request.decision.by})`}.`;
  if (request.deadlineMs <= nowMs) return `The deadline of request ${decision.request} has passed.`;
  if (request.argumentsHash !== decision.argumentsHash)
    return `The decision is about other arguments: ${decision.argumentsHash} is not ${request.argumentsHash}, the hash of request ${decision.request}.`;
  return (
    refuseWho(request.ask, request.level, `request ${request.position}`, decision) ??
    refuseKind(request, deciding, decision)
  );
}

function refuseShape(
  deciding: Deciding,
  decision: Partial<DecisionMessage & AnswerMessage> | undefined,
): string | undefined {
  if (
    typeof decision?.request !== 'string' ||
    typeof decision.by !== 'string' ||
    typeof decision.argumentsHash !== 'string'
  )
    return 'A decision needs `request`, `argumentsHash` and `by`.';
  const { by, reason, answer, edit, decision: row } = decision;
  if (by.length === 0 || by.length > limits.decidedByCharsMax)
    return `\`by\` must have 1 to ${limits.decidedByCharsMax} characters.`;
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > limits.reasonCharsMax))
    return `\`reason\` must be text of at most ${limits.reasonCharsMax} characters.`;
  if (row !== undefined && (typeof row !== 'string' || row.length > limits.messageIdCharsMax))
    return `\`decision\` must be an id of at most ${limits.messageIdCharsMax} characters.`;
  if (deciding === 'answer') {
    if (typeof answer?.hash !== 'string') return 'An answer needs `answer.hash`.';
    return refuseText('answer.text', answer.text, row);
  }
  if (edit === undefined) return undefined;
  if (deciding === 'deny') return '`edit` is for approvals; a denial changes no arguments.';
  if (typeof edit?.argumentsHash !== 'string') return '`edit` needs `argumentsHash`.';
  return refuseText('edit.arguments', edit.arguments, row);
}

/** Text travels in the message while it is short, else in the row of the decision. */
function refuseText(name: string, text: unknown, row: string | undefined): string | undefined {
  if (text === undefined)
    return row === undefined
      ? `\`${name}\` is missing, and there is no \`decision\` that holds it.`
      : undefined;
  if (typeof text !== 'string') return `\`${name}\` must be text.`;
  return text.length > limits.inlineTextBytesMax
    ? `\`${name}\` has ${text.length} characters; a message takes at most ${limits.inlineTextBytesMax}.`
    : undefined;
}

function refuseKind(
  { kind, about, position, budget }: RequestState,
  deciding: Deciding,
  decision: DecisionMessage | AnswerMessage,
): string | undefined {
  if ('edit' in decision && decision.edit !== undefined && kind !== 'approval')
    return `Arguments can be edited only before the first attempt; request ${position} is ${kind === 'question' ? 'a question' : 'about one that was made'}.`;
  switch (deciding) {
    case 'deny':
      return undefined;
    case 'approve':
      if (kind === 'question')
        return `Request ${position} is a question: answer it, or deny it to decline.`;
      return about === 'budget' && budget === undefined
        ? `Request ${position} is about a limit: extend the budget, or deny it to stop the run.`
        : undefined;
    case 'answer':
      if (kind === 'approval')
        return `Request ${position} asks for an approval: approve or deny it.`;
      return kind === 'escalation' && about !== 'tool'
        ? `Request ${position} is about the run itself, which has no result to be given.`
        : undefined;
    default:
      return deciding satisfies never;
  }
}
