import OpenAI from 'openai';
import { classifyFailure } from './classify-failure.ts';
import type { AssembledReply } from './assemble-reply.ts';
import type { ModelClient, ModelRequest, ModelResponse } from './model-client.ts';
import { readReply } from './read-reply.ts';
import { TransportFault } from './transport-fault.ts';
import { WireResponse, wireFetch } from './wire-fetch.ts';

export type { ModelClient, ModelRequest, ModelResponse, ModelToolCall } from './model-client.ts';
export { ModelFailure } from './model-failure.ts';

export interface OpenAiModelSettings {
  readonly apiKey: string;
  /** Undefined means OpenAI itself. The environment is not read here. */
  readonly baseURL: string | undefined;
  /** Sent with every request, besides what the `openai` package sends. */
  readonly headers?: Readonly<Record<string, string>>;
}

const openAiBaseURL = 'https://api.openai.com/v1';
/** Finish reasons that explain an empty reply: the caller decides what they mean. */
const emptyButExplained: ReadonlySet<string> = new Set(['length', 'content_filter']);

/**
 * Calls any provider that speaks OpenAI's chat completions, by the `openai` package with its retries off.
 *
 * Make one per provider and keep it: it owns the connections. The package gets the body as bytes, which it passes on
 * untouched; the reply is read by `readReply`, whose reasons are in `event-stream.ts` and `wire-fetch.ts`.
 */
export function openAiModelClient(settings: OpenAiModelSettings): ModelClient {
  const client = new OpenAI({
    apiKey: settings.apiKey,
    baseURL: settings.baseURL ?? openAiBaseURL,
    organization: null,
    project: null,
    maxRetries: 0,
    logLevel: 'off',
    fetch: wireFetch(),
    ...(settings.headers === undefined ? {} : { defaultHeaders: settings.headers }),
  });
  return {
    provider: settings.baseURL ?? openAiBaseURL,
    call: (request) => callOnce(client, request),
  };
}

async function callOnce(client: OpenAI, request: ModelRequest): Promise<ModelResponse> {
  request.signal.throwIfAborted();
  const startedAt = performance.now();
  const attempt = new AbortController();
  const onAbort = () => attempt.abort();
  request.signal.addEventListener('abort', onAbort, { once: true });
  let gaveUp: TransportFault | undefined;
  const giveUp = (kind: 'idle' | 'late', ms: number) => () => {
    gaveUp ??= new TransportFault(
      kind,
      `No ${kind === 'idle' ? 'byte' : 'whole reply'} for ${ms} ms.`,
    );
    attempt.abort();
  };
  const idle = setTimeout(giveUp('idle', request.idleMs), request.idleMs);
  const late = setTimeout(giveUp('late', request.timeoutMs), request.timeoutMs);

  try {
    const response = await client
      .post('/chat/completions', {
        body: Buffer.from(request.body),
        headers: jsonBody,
        signal: attempt.signal,
        timeout: Math.ceil(request.timeoutMs),
      })
      .asResponse();
    if (!(response instanceof WireResponse))
      throw new TransportFault('malformed', 'A response came from elsewhere.');
    const providerRequestId = response.headers.get('x-request-id') ?? undefined;

    let hasBytes = false;
    let firstTokenMs: number | undefined;
    const reply = await readReply(response.wire, providerRequestId, {
      onBytes: () => {
        idle.refresh();
        if (hasBytes) return;
        hasBytes = true;
        request.onFirstByte?.();
      },
      onContent: (text) => {
        firstTokenMs ??= performance.now() - startedAt;
        if (text !== '') request.onDelta?.(text);
      },
    });
    assertUseful(reply, providerRequestId);
    return responseFrom(reply, {
      model: request.model,
      providerRequestId,
      firstTokenMs,
      latencyMs: performance.now() - startedAt,
    });
  } catch (error) {
    // Temporal must see its own cancellation: wrapped, it would be retried as a failure.
    request.signal.throwIfAborted();
    throw classifyFailure(gaveUp ?? error, request.model);
  } finally {
    clearTimeout(idle);
    clearTimeout(late);
    request.signal.removeEventListener('abort', onAbort);
  }
}

const jsonBody = { 'content-type': 'application/json', accept: 'text/event-stream' };

function assertUseful(reply: AssembledReply, providerRequestId: string | undefined): void {
  const { text, refusal, toolCalls, finishReason, usage } = reply;
  if (toolCalls.some((call) => call.name === '')) {
    throw new TransportFault('malformed', 'A tool call has no name.', { usage, providerRequestId });
  }
  const isEmpty = text === '' && refusal === undefined && toolCalls.length === 0;
  if (isEmpty && !emptyButExplained.has(finishReason ?? '')) {
    throw new TransportFault('empty', 'A reply has neither text, refusal nor tool call.', {
      usage,
      providerRequestId,
    });
  }
}

function responseFrom(
  reply: AssembledReply,
  seen: {
    model: string;
    providerRequestId: string | undefined;
    firstTokenMs: number | undefined;
    latencyMs: number;
  },
): ModelResponse {
  return {
    text: reply.text,
    ...(reply.refusal === undefined ? {} : { refusal: reply.refusal }),
    toolCalls: reply.toolCalls,
    finishReason: reply.finishReason ?? 'unknown',
    model: reply.model ?? seen.model,
    ...(reply.usage === undefined ? {} : { usage: reply.usage }),
    ...(seen.providerRequestId === undefined ? {} : { providerRequestId: seen.providerRequestId }),
    ...(seen.firstTokenMs === undefined ? {} : { firstTokenMs: seen.firstTokenMs }),
    latencyMs: seen.latencyMs,
  };
}
