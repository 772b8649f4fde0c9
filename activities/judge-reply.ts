/** From a provider's reply to the run's next decisions: calls, an output, or what does not fit. */
import type { z } from 'zod';
import type { ProposedCall } from '../contracts/agent-run.ts';
import { toolErrorCode } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import type { AnyAgent, Tool } from '../definitions/internal.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { sha256 } from '../storage/hash.ts';
import type { ModelResponse, ModelToolCall } from './models/model-client.ts';
import { describeIssues } from './describe-issues.ts';

export type Judgement =
  | { readonly kind: 'calls'; readonly calls: readonly ProposedCall[] }
  /** `text` is the canonical JSON of the output: a JSON string for an agent without an output schema. */
  | { readonly kind: 'final'; readonly text: string }
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
  if (agent.output === undefined) return { kind: 'final', text: JSON.stringify(reply.text) };
  return structured(agent, reply.text);
}

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

/** A schema's own function may throw on what a model wrote: that is a misfit too, not our fault. */
async function safeParse<Value>(
  schema: z.ZodType<Value>,
  value: unknown,
): Promise<
  | { readonly success: true; readonly data: Value }
  | { readonly success: false; readonly problem: string }
> {
  try {
    const parsed = await schema.safeParseAsync(value);
    return parsed.success
      ? { success: true, data: parsed.data }
      : { success: false, problem: describeIssues(parsed.error) };
  } catch (error) {
    return {
      success: false,
      problem:
        `a check of the schema failed: ${error instanceof Error ? error.message : String(error)}`.slice(
          0,
          limits.toolErrorCharsMax,
        ),
    };
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
  const base = { id: call.id, tool: call.name.slice(0, limits.toolNameCharsMax) };
  const refuse = (code: string, message: string, hint?: string): ProposedCall => ({
    ...base,
    argumentsHash: sha256(call.argumentsText),
    error: {
      code,
      message,
      retryable: false,
      attempts: 0,
      ...(hint === undefined ? {} : { hint }),
    },
  });
  if (index >= limits.toolCallsPerReplyMax)
    return refuse(
      toolErrorCode.tooManyCalls,
      `At most ${limits.toolCallsPerReplyMax} tool calls fit in one reply; this one did not run.`,
    );
  const tool = agent.tools.find((candidate) => candidate.name === call.name);
  if (tool === undefined)
    return refuse(
      toolErrorCode.unknownTool,
      `There is no tool of this name.`,
      `Tools: ${agent.tools.map((known) => known.name).join(', ') || 'none'}`.slice(0, 500),
    );
  if (Buffer.byteLength(call.argumentsText) > limits.argumentsBytesMax)
    return refuse(
      toolErrorCode.badArguments,
      `The arguments exceed ${limits.argumentsBytesMax} bytes.`,
    );
  let value: unknown;
  // What the model wrote, not what the schema made of it: that is what a human approves.
  let text: string;
  try {
    value = JSON.parse(call.argumentsText === '' ? '{}' : call.argumentsText);
    text = canonicalJson(value);
  } catch {
    return refuse(
      toolErrorCode.badArguments,
      'The arguments are not valid JSON, or nested too deeply.',
    );
  }
  const parsed = await safeParse(tool.input, value);
  if (!parsed.success)
    return refuse(toolErrorCode.badArguments, `The arguments do not fit: ${parsed.problem}`);
  return {
    ...base,
    argumentsHash: sha256(text),
    ...(Buffer.byteLength(text) <= limits.argumentsInlineBytesMax ? { arguments: text } : {}),
    ...(asksHuman(tool, parsed.data) ? { ask: true as const } : {}),
  };
}

/** An approval function that throws has not said no: a human is asked. */
function asksHuman(tool: Tool, input: Record<string, unknown>): boolean {
  try {
    return tool.asksHuman(input);
  } catch {
    return true;
  }
}
