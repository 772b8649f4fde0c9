import type { Reply, ScriptedToolCall } from './script.ts';

/** Tokens that the meter bills and that the answer states. */
export interface BilledUsage {
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

export interface ReplyHead {
  readonly id: string;
  readonly model: string;
  /** Number of the request, from 1: it makes the ids of tool calls. */
  readonly n: number;
  readonly usage: BilledUsage;
}

/** Seconds since 1970 in every answer: a fixed one, so that two runs of a script are the same bytes. */
const created = 1_700_000_000;

/** The events of a streamed reply, each as the text that goes on the wire, `[DONE]` last. */
export function streamEvents(reply: Reply, head: ReplyHead): string[] {
  const prefix = `data: {"id":"${head.id}","object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(head.model)},"choices":[`;
  const events: string[] = [];
  const event = (delta: object, finish: string | null = null) => {
    // The first event names the role: the official client refuses a stream without it.
    const said = events.length === 0 ? { role: 'assistant', ...delta } : delta;
    return `${prefix}{"index":0,"delta":${JSON.stringify(said)},"finish_reason":${JSON.stringify(finish)}}]}\n\n`;
  };
  const count = reply.chunkCount ?? 1;
  if (reply.text !== undefined) {
    for (const piece of pieces(reply.text, count)) events.push(event({ content: piece }));
  }
  if (reply.refusal !== undefined) events.push(event({ refusal: reply.refusal }));
  (reply.toolCalls ?? []).forEach((call, index) => {
    const id = idOf(call, head.n, index);
    const args = pieces(argumentsText(call), count);
    const first = { name: call.name, arguments: args.length === 1 ? args[0] : '' };
    events.push(event({ tool_calls: [{ index, ...id, type: 'function', function: first }] }));
    if (args.length > 1) {
      for (const piece of args)
        events.push(event({ tool_calls: [{ index, function: { arguments: piece } }] }));
    }
  });
  const finish = finishReasonOf(reply);
  if (finish !== null) events.push(event({}, finish));
  if (reply.usage !== 'none')
    events.push(`${prefix}],"usage":${JSON.stringify(wireUsage(head.usage))}}\n\n`);
  events.push('data: [DONE]\n\n');
  return events;
}

/** The same reply in one piece of JSON. */
export function wholeAnswer(reply: Reply, head: ReplyHead): string {
  const toolCalls = (reply.toolCalls ?? []).map((call, index) => ({
    ...idOf(call, head.n, index),
    type: 'function',
    function: { name: call.name, arguments: argumentsText(call) },
  }));
  return JSON.stringify({
    id: head.id,
    object: 'chat.completion',
    created,
    model: head.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: reply.text ?? null,
          refusal: reply.refusal ?? null,
          ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
        },
        finish_reason: finishReasonOf(reply),
      },
    ],
    ...(reply.usage === 'none' ? {} : { usage: wireUsage(head.usage) }),
  });
}

/** Bytes of what the model wrote, for a usage that nobody stated. */
export function replyBytes(reply: Reply): number {
  let bytes = Buffer.byteLength(reply.text ?? '') + Buffer.byteLength(reply.refusal ?? '');
  for (const call of reply.toolCalls ?? [])
    bytes += call.name.length + Buffer.byteLength(argumentsText(call));
  return bytes;
}

function finishReasonOf(reply: Reply): string | null {
  if (reply.finishReason !== undefined) return reply.finishReason;
  return (reply.toolCalls ?? []).length > 0 ? 'tool_calls' : 'stop';
}

function idOf(call: ScriptedToolCall, n: number, index: number): { id?: string } {
  return call.id === null ? {} : { id: call.id ?? `call_${n}_${index}` };
}

function argumentsText(call: ScriptedToolCall): string {
  return typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments);
}

/** Cuts a text into at most `count` pieces, none of them empty unless the text is, no surrogate pair parted. */
function pieces(text: string, count: number): string[] {
  if (count <= 1 || text.length <= 1) return [text];
  const characters = Array.from(text);
  const size = Math.ceil(characters.length / count);
  const cut: string[] = [];
  for (let at = 0; at < characters.length; at += size)
    cut.push(characters.slice(at, at + size).join(''));
  return cut;
}

function wireUsage(usage: BilledUsage) {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}
