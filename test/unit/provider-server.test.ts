import OpenAI from 'openai';
import { afterEach, describe, expect, test } from 'vitest';
import { costMicroUsd, priceOf } from '../../activities/models/prices.ts';
import {
  fault,
  reply,
  startProvider,
  type Provider,
  type ProviderOptions,
} from '../../testing/provider/index.ts';

let provider: Provider | undefined;
afterEach(async () => {
  await provider?.stop();
  provider = undefined;
});

async function started(options: ProviderOptions) {
  provider = await startProvider(options);
  return {
    provider,
    client: new OpenAI({ apiKey: 'k', baseURL: provider.baseURL, maxRetries: 0 }),
  };
}
const ask = { model: 'gpt-5-mini', messages: [{ role: 'user' as const, content: 'Hello' }] };

describe('the scripted provider, as the official client sees it', () => {
  test('answers in the order of the script, streamed or whole', async () => {
    const { client } = await started({
      script: [
        reply.text('one'),
        reply.text('two', { chunkCount: 2 }),
        reply.tools({ order: { id: 'A-17' } }),
      ],
    });
    expect((await client.chat.completions.create(ask)).choices[0]?.message.content).toBe('one');
    const streamed = client.chat.completions.stream({
      ...ask,
      stream_options: { include_usage: true },
    });
    const second = await streamed.finalChatCompletion();
    expect(second.choices[0]?.message.content).toBe('two');
    expect(second.usage?.completion_tokens).toBe(1);
    const third = await client.chat.completions.stream(ask).finalChatCompletion();
    expect(third.choices[0]?.message.tool_calls).toMatchObject([
      { id: 'call_3_0', function: { name: 'order', arguments: '{"id":"A-17"}' } },
    ]);
  });

  test('answers by a function of the request', async () => {
    const { client } = await started({
      script: (request, n) =>
        reply.text(`${n}: ${JSON.stringify(request.messages.at(-1)?.content)}`),
    });
    expect((await client.chat.completions.create(ask)).choices[0]?.message.content).toBe(
      '1: "Hello"',
    );
  });

  test('refuses for good when its script is used up, so that a test fails at once', async () => {
    const { client } = await started({ script: [] });
    await expect(client.chat.completions.create(ask)).rejects.toMatchObject({
      status: 400,
      code: 'script_exhausted',
    });
  });

  test('fails loudly when its script throws', async () => {
    const { client } = await started({
      script: () => {
        throw new Error('a bug in the test');
      },
    });
    await expect(client.chat.completions.create(ask)).rejects.toMatchObject({
      status: 500,
      code: 'script_failed',
    });
  });

  test('sends the same bytes for the same script', async () => {
    const bytes = [];
    for (let run = 0; run < 2; run++) {
      const { provider: own } = await started({
        script: [reply.tools({ a: { x: 1 } }, { chunkCount: 3 })],
      });
      const response = await fetch(`${own.baseURL}/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({ ...ask, stream: true }),
      });
      bytes.push(await response.text());
      await own.stop();
    }
    provider = undefined;
    expect(bytes[0]).toBe(bytes[1]);
  });

  test('lists its models', async () => {
    const { client } = await started({ models: ['m-1', 'm-2'] });
    expect((await client.models.list()).data.map((model) => model.id)).toEqual(['m-1', 'm-2']);
  });

  test('refuses what is no request', async () => {
    const { provider: own } = await started({ script: [reply.text('x')] });
    expect(
      (await fetch(`${own.baseURL}/chat/completions`, { method: 'POST', body: '{' })).status,
    ).toBe(400);
    expect((await fetch(`${own.baseURL}/embeddings`, { method: 'POST', body: '{}' })).status).toBe(
      404,
    );
  });

  test('takes another script while it runs', async () => {
    const { provider: own, client } = await started({ script: [reply.text('old')] });
    own.script([reply.text('new')]);
    expect((await client.chat.completions.create(ask)).choices[0]?.message.content).toBe('new');
  });
});

describe('its meter', () => {
  test('bills by model what was served, by the same prices', async () => {
    const usage = { inputTokens: 1_001, outputTokens: 11, cachedInputTokens: 500 };
    const { provider: own, client } = await started({
      script: [reply.text('a', { usage }), reply.text('b', { usage }), reply.text('c')],
    });
    await client.chat.completions.create(ask);
    await client.chat.completions.create(ask);
    await client.chat.completions.create({ ...ask, model: 'no-price' });
    const price = priceOf('gpt-5-mini');
    if (price === undefined) throw new Error('no price');
    const cost = costMicroUsd(price, { ...usage, reasoningTokens: 0 });
    expect(own.meter.byModel['gpt-5-mini']).toEqual({
      calls: 2,
      inputTokens: 2_002,
      cachedInputTokens: 1_000,
      outputTokens: 22,
      microUsd: 2 * cost,
    });
    expect(own.meter.byModel['no-price']).toMatchObject({ calls: 1, microUsd: 0 });
    expect(own.meter.microUsd).toBe(2 * cost);
  });

  test('bills a reply that was cut on its way, and no refusal', async () => {
    const { provider: own, client } = await started({
      script: [fault.cutStream(), fault.rateLimited(), fault.reset()],
    });
    for (let call = 0; call < 3; call++) {
      await client.chat.completions
        .stream(ask)
        .finalChatCompletion()
        .catch(() => undefined);
    }
    expect(own.meter.byModel['gpt-5-mini']?.calls).toBe(1);
  });

  test('never bills more output than the request allowed: the text is cut', async () => {
    const { provider: own, client } = await started({
      script: () => reply.text('x'.repeat(1_000)),
    });
    const cut = await client.chat.completions.create({ ...ask, max_completion_tokens: 10 });
    expect(cut.choices[0]).toMatchObject({
      finish_reason: 'length',
      message: { content: 'x'.repeat(40) },
    });
    expect(own.meter.byModel['gpt-5-mini']?.outputTokens).toBe(10);
  });
});

test('a benchmark may keep no requests', async () => {
  const { provider: own, client } = await started({
    script: () => reply.text('x'),
    requestsKeptMax: 0,
  });
  await client.chat.completions.create(ask);
  expect(own.requests).toEqual([]);
});

test('it stops while requests hang', async () => {
  const { provider: own, client } = await started({ script: [fault.hang()] });
  const hanging = client.chat.completions.create(ask).catch((error: unknown) => error);
  await expect.poll(() => own.requests.length).toBe(1);
  await own.stop();
  provider = undefined;
  expect(await hanging).toBeInstanceOf(OpenAI.APIConnectionError);
});
