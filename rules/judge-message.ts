/** What may be said to a run besides decisions, and why not: the reason, or undefined. */
import { limits } from '../contracts/limits.ts';
import type {
  ExtendBudgetMessage,
  HaltMessage,
  PauseMessage,
  ResumeMessage,
  SendMessage,
  SteerMessage,
} from '../contracts/messages.ts';
import { guardOf, limitsToBe } from './after-humans.ts';
import { wordsOf } from './after-messages.ts';
import { refuseWho } from './who-may.ts';
import type { RunState } from './run-state.ts';

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

export function refusePause(state: RunState, message: Partial<PauseMessage>): string | undefined {
  return (
    refuseBy(message) ??
    refuseReason(message?.reason, 'needed') ??
    refuseOver(state) ??
    (state.paused === undefined
      ? undefined
      : `The run is paused already (${state.paused.reason}, by ${state.paused.by}).`)
  );
}

export function refuseResume(state: RunState, message: Partial<ResumeMessage>): string | undefined {
  return (
    refuseBy(message) ??
    refuseReason(message?.reason, 'optional') ??
    refuseOver(state) ??
    (state.paused === undefined ? 'The run is not paused.' : undefined)
  );
}

export function refuseSteer(state: RunState, message: Partial<SteerMessage>): string | undefined {
  return (
    refuseBy(message) ??
    refuseInline('text', message?.text) ??
    refuseOver(state) ??
    (state.steers.length >= limits.steersWaitingMax
      ? `${state.steers.length} texts wait for the next model call already; \`steersWaitingMax\` is ${limits.steersWaitingMax}.`
      : undefined)
  );
}

export function refuseExtension(
  state: RunState,
  message: Partial<ExtendBudgetMessage>,
): string | undefined {
  const shape = refuseBy(message) ?? refuseReason(message?.reason, 'optional');
  if (shape !== undefined) return shape;
  let more = 0;
  const { ask, level, budget } = guardOf(state);
  const present =
    budget === undefined ? limitsToBe(state) : { costMicroUsd: 0, tokens: 0, steps: 0, wallMs: 0 };
  for (const { name, max } of amounts) {
    const value: unknown = message[name];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      return `\`${name}\` is ${typeof value === 'number' ? value : `of type ${typeof value}`}; it must be a whole number from 0.`;
    if (present[name] + value > max)
      return `\`${name}\`: ${present[name]} and ${value} are over the most that a run may have, ${max}.`;
    more += value;
  }
  if (more === 0)
    return `An extension needs at least one of ${amounts.map(({ name }) => `\`${name}\``).join(', ')} above 0.`;
  if (budget !== undefined && (message.steps ?? 0) + (message.wallMs ?? 0) > 0)
    return 'The open request is about a budget that other runs share: it has `costMicroUsd` and `tokens` only.';
  if (state.input.depth > 0 && budget === undefined)
    return 'A sub-agent has its ceiling from its parent run: extend that one.';
  const { decision } = message;
  if (decision !== undefined && (typeof decision !== 'string' || decision === ''))
    return '`decision` must be the id of a row.';
  return (
    refuseWho(ask, level, "the run's limits", { ...message, by: message.by ?? '' }) ??
    refuseOver(state)
  );
}

const amounts = [
  { name: 'costMicroUsd', max: limits.runCostMicroUsdMax },
  { name: 'tokens', max: limits.runTokensMax },
  { name: 'steps', max: limits.runStepsMax },
  { name: 'wallMs', max: limits.runWallMsMax },
] as const;

export function refuseMessage(state: RunState, message: Partial<SendMessage>): string | undefined {
  const { session } = state;
  if (session === undefined)
    return `Agent \`${state.input.agent}\` has no session: it takes one input and gives one output.`;
  const { id, by, stored, text } = message ?? {};
  if (typeof id !== 'string' || id === '' || id.length > limits.messageIdCharsMax)
    return `\`id\` must have 1 to ${limits.messageIdCharsMax} characters.`;
  if (by !== undefined && (typeof by !== 'string' || by.length > limits.decidedByCharsMax))
    return `\`by\` must have at most ${limits.decidedByCharsMax} characters.`;
  if (stored === undefined) {
    const refused = refuseInline('text', text);
    if (refused !== undefined) return refused;
  } else if (!/^[\w-]{43}$/.test(stored?.hash ?? '') || !Number.isSafeInteger(stored.bytes))
    return '`stored` needs the `hash` and the `bytes` of a message.';
  const before = session.heard.find((heard) => heard.id === id);
  if (before !== undefined)
    return before.words === wordsOf({ id, ...message })
      ? undefined
      : `Message id \`${id}\` was used for other words. Nothing was heard.`;
  const waiting = session.inbox.length + state.steers.length;
  if (waiting >= limits.messagesWaitingMax)
    return `${waiting} messages wait for the agent already; \`messagesWaitingMax\` is ${limits.messagesWaitingMax}.`;
  return refuseOver(state);
}

const refuseOver = (state: RunState): string | undefined =>
  state.halt !== undefined
    ? `The run is halted (${state.halt.reason}).`
    : state.ending !== undefined
      ? 'The run is coming to its end.'
      : undefined;

function refuseBy(message: { readonly by?: unknown } | undefined): string | undefined {
  const by = message?.by;
  return typeof by === 'string' && by.length > 0 && by.length <= limits.decidedByCharsMax
    ? undefined
    : `\`by\` must have 1 to ${limits.decidedByCharsMax} characters.`;
}

function refuseReason(reason: unknown, how: 'needed' | 'optional'): string | undefined {
  if (reason === undefined && how === 'optional') return undefined;
  return typeof reason === 'string' &&
    (reason !== '' || how === 'optional') &&
    reason.length <= limits.reasonCharsMax
    ? undefined
    : `\`reason\` must be text of ${how === 'needed' ? '1 to' : 'at most'} ${limits.reasonCharsMax} characters.`;
}

function refuseInline(name: string, text: unknown): string | undefined {
  if (typeof text !== 'string' || text.trim() === '')
    return `\`${name}\` must be text that is not empty.`;
  const bytes = utf8Bytes(text);
  return bytes > limits.inlineTextBytesMax
    ? `\`${name}\` has ${bytes} bytes; at most ${limits.inlineTextBytesMax} are taken.`
    : undefined;
}

/** Without `Buffer` and `TextEncoder`, which a workflow does not have. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const char of text) {
    const point = char.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
