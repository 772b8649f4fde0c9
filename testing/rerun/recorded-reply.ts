import type { ModelResponse } from '../../activities/models/model-client.ts';
import type { RecordedAttempt } from './recorded-run.ts';

/** A provider's reply as it was received: from the message that it left, and from its journal. */
export function recordedReply(
  message: string,
  attempt: RecordedAttempt | undefined,
): ModelResponse {
  const { content, refusal, tool_calls } = JSON.parse(message) as {
    readonly content: string | null;
    readonly refusal?: string;
    readonly tool_calls?: readonly {
      readonly id: string;
      readonly function: { readonly name: string; readonly arguments: string };
    }[];
  };
  return {
    text: content ?? '',
    ...(refusal === undefined ? {} : { refusal }),
    toolCalls: (tool_calls ?? []).map(({ id, function: { name, arguments: argumentsText } }) => ({
      id,
      name,
      argumentsText,
    })),
    finishReason: attempt?.finishReason ?? 'unknown',
    model: attempt?.model ?? '',
    latencyMs: 0,
  };
}
