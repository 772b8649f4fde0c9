/**
 * Messages as the model sees them: fragments of a chat-completions body.
 *
 * Rendered once, stored, and never rendered again: a change here reaches new messages only, and old
 * prompts still hash to what was recorded.
 */
import type { ToolErrorNote } from '../contracts/agent-run.ts';
import type { FrozenAgent } from '../contracts/definitions.ts';
import { canonicalJson } from './canonical-json.ts';

export const userMessage = (text: string): string =>
  JSON.stringify({ role: 'user', content: text });

export const systemMessage = (text: string): string =>
  JSON.stringify({ role: 'system', content: text });

export const toolMessage = (id: string, text: string): string =>
  JSON.stringify({ role: 'tool', tool_call_id: id, content: text });

export const toolErrorMessage = (id: string, { attempts, ...error }: ToolErrorNote): string =>
  toolMessage(
    id,
    JSON.stringify({
      error: {
        code: error.code,
        message: error.message,
        retryable: error.retryable,
        attempts,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      },
    }),
  );

interface SaidByModel {
  readonly text: string;
  readonly refusal?: string;
  readonly toolCalls: readonly {
    readonly id: string;
    readonly name: string;
    readonly argumentsText: string;
  }[];
}

export function assistantMessage(reply: SaidByModel): string {
  return JSON.stringify({
    role: 'assistant',
    content: reply.text === '' ? null : reply.text,
    ...(reply.refusal === undefined ? {} : { refusal: reply.refusal }),
    ...(reply.toolCalls.length === 0
      ? {}
      : {
          tool_calls: reply.toolCalls.map((call) => ({
            id: call.id,
            type: 'function',
            function: { name: call.name, arguments: call.argumentsText },
          })),
        }),
  });
}

/** A reply as it was, read from the message that it left. What a message does not say is not known any more. */
export function readReply(fragment: string): SaidByModel & {
  readonly finishReason: 'given';
  readonly model: '';
  readonly latencyMs: 0;
} {
  const message = JSON.parse(fragment) as {
    readonly content: string | null;
    readonly refusal?: string;
    readonly tool_calls?: readonly {
      readonly id: string;
      readonly function: { readonly name: string; readonly arguments: string };
    }[];
  };
  return {
    text: message.content ?? '',
    ...(message.refusal === undefined ? {} : { refusal: message.refusal }),
    toolCalls: (message.tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function.name,
      argumentsText: call.function.arguments,
    })),
    finishReason: 'given',
    model: '',
    latencyMs: 0,
  };
}

/**
 * What the caller gave, as the text of the first message: the words themselves for an agent without
 * an input schema, the canonical JSON for one with.
 */
export const inputText = (input: unknown, structured: boolean): string =>
  structured ? canonicalJson(input ?? null) : String(input);

/**
 * The beginning of every prompt of an agent for one model, up to the first message of a run: the
 * parameters, the tools and the instructions. The same bytes for all its runs, so that a provider's
 * prefix cache works and the database holds them once.
 */
export function promptHead(
  frozen: FrozenAgent,
  model: string,
  parameters: Readonly<Record<string, unknown>>,
): string {
  const offered = frozen.tools.filter((tool) => tool.offered !== false);
  const body = JSON.stringify({
    model,
    ...parameters,
    stream: true,
    stream_options: { include_usage: true },
    ...(offered.length === 0
      ? {}
      : {
          tools: offered.map((tool) => ({
            type: 'function',
            function: {
              name: tool.name,
              description: tool.description,
              parameters: tool.inputSchema,
            },
          })),
        }),
    ...(frozen.outputSchema === undefined
      ? {}
      : {
          response_format: {
            type: 'json_schema',
            json_schema: { name: 'output', schema: frozen.outputSchema },
          },
        }),
  });
  const system =
    frozen.instructions.kind === 'text' && frozen.instructions.text !== ''
      ? `${systemMessage(frozen.instructions.text)},`
      : '';
  return `${body.slice(0, -1)},"messages":[${system}`;
}

/** What closes every prompt behind its last message. */
export const promptTail = ']}';
