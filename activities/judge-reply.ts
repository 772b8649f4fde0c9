/** From a provider's reply to the run's next decisions: calls, an output, or what does not fit. */
import type { ProposedCall } from '../contracts/agent-run.ts';
import { toolErrorCode } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import type { AnyAgent } from '../definitions/internal.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import type { ModelResponse, ModelToolCall } from './models/model-client.ts';
import { proposedCall, refusedCall, safeParse } from './propose-call.ts';

export type Judgement =
  | { readonly kind: 'calls'; readonly calls: readonly ProposedCall[] }
  /** `text` is the canonical JSON of the output: a JSON string for an agent without an output schema. */
  | {
      readonly kind: 'final';
      readonly text: string;
      /** Ids of calls beside it, which are not made. */
      readonly skipped?: readonly string[];
    }
  /** A larger model is asked in its place, and why. */
  | { readonly kind: 'rejected'; readonly because: string }
  | { readonly kind: 'misfit'; readonly problem: string }
  | { readonly kind: 'refused' };

export async function judgeReply(agent: AnyAgent, reply: ModelResponse): Promise<Judgement> {
  if (reply.toolCalls.length > 0)
    return {
      kind: 'calls',
      calls: await Promise.all(reply.toolCalls.map((call, index) => proposed(agent, call, index))),
    };
  if (reply.refusal !== undefined || reply.finishReason === 'content_filter')
    return { kind: 'refused' };
  if (reply.finishReason === 'length')
    return {
      kind: 'misfit',
      problem: 'Your reply was cut off at the output limit. Give the whole answer again, shorter.',
    };
  return judgeOutput(agent, reply.text);
}

/** Whether a text is an output of the agent: any is, for one without an output schema. */
export const judgeOutput = async (agent: AnyAgent, text: string): Promise<Judgement> =>
  agent.output === undefined
    ? { kind: 'final', text: JSON.stringify(text) }
    : structured(agent, text);

async function structured(agent: AnyAgent, text: string): Promise<Judgement> {
  let value: unknown;
  try {
    value = JSON.parse(withoutFence(text));
  } catch {
    return {
      kind: 'misfit',
      problem:
        'Your reply is not valid JSON. Reply with one JSON value that fits the output schema, and nothing else.',
    };
  }
  const misfit = (problem: string): Judgement => ({
    kind: 'misfit',
    problem: `Your reply does not fit the output schema: ${problem} Reply with one JSON value that fits it, and nothing else.`,
  });
  const parsed =
    agent.output === undefined ? undefined : await safeParse<unknown>(agent.output, value);
  if (parsed?.success !== true) return misfit(parsed?.problem ?? '');
  try {
    return { kind: 'final', text: canonicalJson(parsed.data ?? null) };
  } catch (error) {
    return misfit((error as Error).message);
  }
}

/** Models that were not asked to write JSON only, but do, like to fence it. */
function withoutFence(text: string): string {
  const fenced = /^\s*```(?:json)?\s*\n([\s\S]*?)\n?```\s*$/.exec(text);
  return fenced?.[1] ?? text;
}

async function proposed(
  agent: AnyAgent,
  call: ModelToolCall,
  index: number,
): Promise<ProposedCall> {
  const named = { id: call.id, tool: call.name.slice(0, limits.toolNameCharsMax) };
  if (index >= limits.toolCallsPerReplyMax)
    return refusedCall(named, call.argumentsText, {
      code: toolErrorCode.tooManyCalls,
      message: `At most ${limits.toolCallsPerReplyMax} tool calls fit in one reply; this one did not run.`,
    });
  // Tools that only serve others as a fallback are not among these: the model does not know them.
  const tool = agent.tools.find((candidate) => candidate.name === call.name);
  if (tool === undefined)
    return refusedCall(named, call.argumentsText, {
      code: toolErrorCode.unknownTool,
      message: `There is no tool of this name.`,
      hint: `Tools: ${agent.tools.map((known) => known.name).join(', ') || 'none'}`.slice(0, 500),
    });
  return proposedCall(tool, named, call.argumentsText);
}
