/** Tokens that a provider bills for one call. */
export interface ModelUsage {
  /** All prompt tokens, the cached ones included. */
  readonly inputTokens: number;
  /** The part of `inputTokens` that was read from the provider's prompt cache. */
  readonly cachedInputTokens: number;
  /** The part of `inputTokens` that was written to that cache, where the provider bills it apart. */
  readonly cacheWriteTokens?: number;
  /** All completion tokens, the reasoning ones included. */
  readonly outputTokens: number;
  /** The part of `outputTokens` that the model spent thinking. */
  readonly reasoningTokens: number;
}

interface WireUsage {
  readonly prompt_tokens?: unknown;
  readonly completion_tokens?: unknown;
  readonly prompt_tokens_details?: {
    readonly cached_tokens?: unknown;
    readonly cache_write_tokens?: unknown;
  } | null;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: unknown } | null;
  /** DeepSeek's name for the cached part. */
  readonly prompt_cache_hit_tokens?: unknown;
}

/**
 * Reads a `usage` object of the chat completions wire format.
 *
 * Undefined unless both totals are whole numbers, of at least one for the prompt and zero for the reply: half a bill is no
 * bill, and there is no prompt without a token. Parts are held to their totals, so that no later subtraction goes below zero.
 */
export function usageFrom(wire: unknown): ModelUsage | undefined {
  if (typeof wire !== 'object' || wire === null) return undefined;
  const usage = wire as WireUsage;
  const inputTokens = usage.prompt_tokens;
  const outputTokens = usage.completion_tokens;
  if (!isCount(inputTokens) || !isCount(outputTokens) || inputTokens === 0) return undefined;
  const cached = usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens;
  const reasoning = usage.completion_tokens_details?.reasoning_tokens;
  const written = usage.prompt_tokens_details?.cache_write_tokens;
  const cachedInputTokens = isCount(cached) ? Math.min(cached, inputTokens) : 0;
  return {
    inputTokens,
    cachedInputTokens,
    ...(isCount(written) && written > 0
      ? { cacheWriteTokens: Math.min(written, inputTokens - cachedInputTokens) }
      : {}),
    outputTokens,
    reasoningTokens: isCount(reasoning) ? Math.min(reasoning, outputTokens) : 0,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
