import { textOf, type ChatRequest, type ChatTool, type JsonSchema } from './chat-request.ts';

export interface ToolExchange {
  readonly name: string;
  /** As the model wrote them. */
  readonly argumentsText: string;
  /** Undefined while no result is there. */
  readonly result: string | undefined;
}

/** A request as a rule wants to read it. */
export interface Conversation {
  readonly request: ChatRequest;
  /** All system and developer messages, joined by blank lines. */
  readonly instructions: string;
  /** The first thing that the user said: for most agents, its input. */
  readonly firstUserText: string;
  readonly lastUserText: string;
  /** Every tool call so far with its result, in order. */
  readonly exchanges: readonly ToolExchange[];
  /** None where `tool_choice` forbids them. */
  readonly tools: readonly ChatTool[];
  /** The JSON Schema that the answer must fit, where one is asked for. */
  readonly answerSchema: JsonSchema | undefined;
  /** The latest result of a tool: parsed where it is JSON, else its text. */
  result(tool: string): unknown;
}

export function conversationOf(request: ChatRequest): Conversation {
  const said = (...roles: string[]) =>
    request.messages.filter((message) => roles.includes(message.role)).map(textOf);
  const user = said('user');
  const exchanges = request.messages.flatMap((message, index) => {
    if (message.tool_calls === undefined) return [];
    const results = resultsBehind(request, index);
    return message.tool_calls.map((call) => ({
      name: call.function.name,
      argumentsText: call.function.arguments,
      result: results.get(call.id),
    }));
  });
  const format = request.response_format;
  return {
    request,
    instructions: said('system', 'developer').join('\n\n'),
    firstUserText: user[0] ?? '',
    lastUserText: user.at(-1) ?? '',
    exchanges,
    tools: request.tool_choice === 'none' ? [] : (request.tools ?? []),
    answerSchema: format?.type === 'json_schema' ? format.json_schema?.schema : undefined,
    result(tool) {
      const text = exchanges.findLast(
        (exchange) => exchange.name === tool && exchange.result !== undefined,
      )?.result;
      return text === undefined ? undefined : jsonOrText(text);
    },
  };
}

/** Results follow their calls. An id may come again in a later step: a provider that restarts counts anew. */
function resultsBehind(
  { messages }: ChatRequest,
  index: number,
): ReadonlyMap<string | undefined, string> {
  const results = new Map<string | undefined, string>();
  for (const message of messages.slice(index + 1)) {
    if (message.role !== 'tool') break;
    results.set(message.tool_call_id, textOf(message));
  }
  return results;
}

export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
