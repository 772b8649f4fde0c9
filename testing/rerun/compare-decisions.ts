/** What a model's reply comes to, then and now: which tools with which arguments, who is asked, an output. */
import type { CallModelOutput, ProposedCall } from '../../contracts/agent-run.ts';
import type { Judgement } from '../../activities/judge-reply.ts';
import { type Position, stepOf, toolPosition } from '../../contracts/positions.ts';
import type { DecisionDifference, DecisionWhy } from './rerun-result.ts';

/**
 * The first difference, or undefined where both decide the same. Two outputs are the same decision,
 * whatever their words: the last one is compared apart.
 *
 * @param output  The recorded output's JSON, to be shown, where it was one.
 */
export function compareDecisions(
  position: Position,
  recorded: CallModelOutput,
  now: Judgement,
  output?: string,
): DecisionDifference | undefined {
  if (recorded.kind === 'calls' && now.kind === 'calls')
    return compareCalls(position, recorded.calls, now.calls);
  // What ended the call then was no decision of the model.
  const isDecision = ['calls', 'final', 'misfit', 'refused', 'rejected'].includes(recorded.kind);
  if (!isDecision || recorded.kind === now.kind) return undefined;
  return {
    position,
    why: whyOf(recorded.kind, now.kind),
    recorded:
      recorded.kind === 'final' && output !== undefined
        ? (JSON.parse(output) as unknown)
        : shownReply(recorded),
    now: shownReply(now),
  };
}

function whyOf(recorded: CallModelOutput['kind'], now: Judgement['kind']): DecisionWhy {
  if (now === 'rejected') return 'a larger model is asked';
  if (recorded === 'rejected') return 'no larger model is asked';
  if (now === 'refused') return 'a refusal';
  if (recorded === 'refused') return 'no refusal';
  if (now === 'calls') return 'calls instead of an output';
  if (recorded === 'calls') return 'an output instead of calls';
  return now === 'misfit' ? 'the output does not fit' : 'the output fits';
}

function compareCalls(
  position: Position,
  recorded: readonly ProposedCall[],
  now: readonly ProposedCall[],
): DecisionDifference | undefined {
  const at = (index: number, why: DecisionWhy): DecisionDifference => ({
    position: toolPosition(stepOf(position), index),
    why,
    ...(recorded[index] === undefined ? {} : { recorded: shownCall(recorded[index]) }),
    ...(now[index] === undefined ? {} : { now: shownCall(now[index]) }),
  });
  const names = (calls: readonly ProposedCall[]): string =>
    calls
      .map(({ tool, argumentsHash }) => `${tool} ${argumentsHash}`)
      .toSorted()
      .join();
  for (let index = 0; index < Math.max(recorded.length, now.length); index += 1) {
    const [then, today] = [recorded[index], now[index]];
    if (then === undefined) return at(index, 'more calls');
    if (today === undefined) return at(index, 'fewer calls');
    const isSame = then.tool === today.tool && then.argumentsHash === today.argumentsHash;
    if (!isSame && names(recorded) === names(now)) return at(index, 'other order');
    if (then.tool !== today.tool) return at(index, 'other tool');
    if (then.error?.code !== today.error?.code)
      return at(index, today.error === undefined ? 'a call is not refused' : 'a call is refused');
    if (then.argumentsHash !== today.argumentsHash) return at(index, 'other arguments');
    if (then.ask !== today.ask)
      return at(index, today.ask === true ? 'asks a human' : 'asks no human');
  }
  return undefined;
}

function shownReply(reply: CallModelOutput | Judgement): unknown {
  switch (reply.kind) {
    case 'calls':
      return reply.calls.map(shownCall);
    case 'final':
      return 'text' in reply ? (JSON.parse(reply.text) as unknown) : 'an output';
    case 'misfit':
      return reply.problem;
    case 'rejected':
      return reply.because;
    case 'refused':
      return 'a refusal';
    case 'stopped':
    case 'halted':
    case 'interrupted':
    case 'conflict':
    case 'over-budget':
      return reply.kind;
    default:
      return reply satisfies never;
  }
}

/** Long arguments are named by their hash. */
const shownCall = (call: ProposedCall): unknown => ({
  tool: call.tool,
  arguments:
    call.arguments === undefined
      ? `(SHA-256 ${call.argumentsHash})`
      : (JSON.parse(call.arguments) as unknown),
  ...(call.ask === undefined ? {} : { asks: true }),
  ...(call.error === undefined ? {} : { refused: `${call.error.code}: ${call.error.message}` }),
});
