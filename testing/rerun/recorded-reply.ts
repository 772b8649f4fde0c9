import type { ModelResponse } from '../../activities/models/model-client.ts';
import { readReply } from '../../rules/render-message.ts';
import type { RecordedAttempt } from './recorded-run.ts';

/** A provider's reply as it was received: from the message that it left, and from its journal. */
export function recordedReply(
  message: string,
  attempt: RecordedAttempt | undefined,
): ModelResponse {
  return {
    ...readReply(message),
    finishReason: attempt?.finishReason ?? 'unknown',
    model: attempt?.model ?? '',
  };
}
