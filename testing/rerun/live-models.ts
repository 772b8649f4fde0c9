/** Model calls that are really made, as a worker makes them: same client, same prices, same attempts. */
import type { ModelClient, ModelResponse } from '../../activities/models/model-client.ts';
import { ModelFailure } from '../../activities/models/model-failure.ts';
import type { ModelUsage } from '../../activities/models/model-usage.ts';
import { costMicroUsd, type Price } from '../../activities/models/prices.ts';
import { failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import type { RerunPrompt } from './rerun-transcript.ts';

export interface LiveModels {
  readonly client: ModelClient;
  readonly priceOf: (model: string) => Price | undefined;
  readonly signal: AbortSignal;
}

export type LiveReply = {
  readonly costMicroUsd: number;
  readonly tokens: number;
} & (
  | { readonly kind: 'reply'; readonly response: ModelResponse }
  | {
      readonly kind: 'failed';
      readonly failure: {
        readonly type: string;
        readonly message: string;
        readonly retryable: boolean;
      };
    }
);

export async function callLive(
  { client, priceOf, signal }: LiveModels,
  prompt: RerunPrompt,
  timeoutMs: number,
): Promise<LiveReply> {
  const price = priceOf(prompt.model);
  if (price === undefined)
    return {
      kind: 'failed',
      costMicroUsd: 0,
      tokens: 0,
      failure: {
        type: failureType.modelUnpriced,
        message: `Model \`${prompt.model}\` has no price, and a model without a price is not assumed free. Add it to the file named by BELAYER_PRICES.`,
        retryable: false,
      },
    };
  let spent = 0;
  let tokens = 0;
  const count = (usage: ModelUsage | undefined): void => {
    if (usage === undefined) return;
    spent += costMicroUsd(price, usage);
    tokens += usage.inputTokens + usage.outputTokens;
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await client.call({
        body: prompt.body,
        model: prompt.model,
        signal,
        idleMs: Math.min(limits.modelStreamIdleMs, timeoutMs),
        timeoutMs,
      });
      count(response.usage);
      return { kind: 'reply', response, costMicroUsd: spent, tokens };
    } catch (error) {
      if (!(error instanceof ModelFailure)) throw error;
      count(error.usage);
      if (!error.retryable || attempt >= limits.modelAttemptsMax)
        return {
          kind: 'failed',
          costMicroUsd: spent,
          tokens,
          failure: { type: error.type, message: error.message, retryable: error.retryable },
        };
      const doubled = limits.modelRetryFirstDelayMs * limits.modelRetryFactor ** (attempt - 1);
      await pause(error.retryAfterMs ?? Math.min(doubled, limits.modelRetryMaxDelayMs), signal);
    }
  }
}

/** @throws the signal's reason, when it aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', end);
      resolve();
    }, ms);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
