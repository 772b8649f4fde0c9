import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failureType, type FailureType } from '../../contracts/failures.ts';
import {
  ModelFailure,
  openAiModelClient,
  type ModelClient,
  type ModelRequest,
} from '../../activities/models/openai-model.ts';
import {
  fault,
  reply,
  startProvider,
  type Fault,
  type Provider,
  type Reply,
} from '../../testing/provider/index.ts';

let provider: Provider;
let model: ModelClient;
beforeAll(async () => {
  provider = await startProvider();
  model = openAiModelClient({
    apiKey: 'sk-test',
    baseURL: provider.baseURL,
    headers: { 'x-team': 'belayer' },
  });
});
afterAll(() => provider.stop());

const body = JSON.stringify({
  model: 'gpt-5-mini',
  stream: true,
  stream_options: { include_usage: true },
  messages: [{ role: 'user', content: 'Wo ist A-17? 🧗' }],
});

function aRequest(more: Partial<ModelRequest> = {}): ModelRequest {
  return {
    body,
    model: 'gpt-5-mini',
    signal: new AbortController().signal,
    idleMs: 2_000,
    timeoutMs: 5_000,
    ...more,
  };
}

function answering(...script: (Reply | Fault)[]) {
  provider.script(script);
  return model;
}

async function failing(
  planned: Fault | Reply,
  more: Partial<ModelRequest> = {},
): Promise<ModelFailure> {
  const error: unknown = await answering(planned)
    .call(aRequest(more))
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  if (!(error instanceof ModelFailure)) throw new Error(`Not a ModelFailure: ${String(error)}`);
  return error;
}

describe('what is sent', () => {
  test('is the given body, byte for byte, odd spacing and key order included', async () => {
    const odd = `{ "stream":true,"messages" : [{"content":"é\\u00e9 \\ud83e\\uddd7 🧗","role":"user"}],\n"model":"gpt-5-mini","x":1.0 }`;
    await answering(reply.text('yes')).call(aRequest({ body: odd }));
    const received = provider.requests.at(-1);
    expect(received?.body).toBe(odd);
    expect(received?.sha256).toBe(createHash('sha256').update(odd, 'utf8').digest('hex'));
    expect(received?.headers['content-length']).toBe(String(Buffer.byteLength(odd)));
  });

  test('carries the key, the JSON content type and the headers of the settings', async () => {
    await answering(reply.text('yes')).call(aRequest());
    expect(provider.requests.at(-1)?.headers).toMatchObject({
      authorization: 'Bearer sk-test',
      'content-type': 'application/json',
      'x-team': 'belayer',
    });
  });

  test('is sent once: a failure is not retried by the client library', async () => {
    const before = provider.requests.length;
    await failing(fault.rateLimited());
    expect(provider.requests.length).toBe(before + 1);
  });
});

describe('a reply', () => {
  test('of text comes with what the provider says about it', async () => {
    const usage = { inputTokens: 100, cachedInputTokens: 60, outputTokens: 9, reasoningTokens: 4 };
    const deltas: string[] = [];
    let firstBytes = 0;
    const got = await answering(reply.text('Shipped on Monday.', { chunkCount: 5, usage })).call(
      aRequest({
        onDelta: (text) => deltas.push(text),
        onFirstByte: () => {
          firstBytes += 1;
        },
      }),
    );
    expect(got).toMatchObject({
      text: 'Shipped on Monday.',
      toolCalls: [],
      finishReason: 'stop',
      model: 'gpt-5-mini',
      usage,
    });
    expect(got.providerRequestId).toMatch(/^req_\d+$/u);
    expect(got.latencyMs).toBeGreaterThanOrEqual(got.firstTokenMs ?? Infinity);
    expect(deltas.join('')).toBe('Shipped on Monday.');
    expect(deltas.length).toBeGreaterThan(1);
    expect(firstBytes).toBe(1);
  });

  test('of tool calls is put together from pieces by index', async () => {
    const long = { note: 'ü'.repeat(300), nested: { list: [1, 2, 3] } };
    const got = await answering({
      toolCalls: [
        { name: 'order', arguments: { id: 'A-17' } },
        { name: 'note', arguments: long, id: 'mine' },
      ],
      chunkCount: 40,
    }).call(aRequest());
    expect(got.finishReason).toBe('tool_calls');
    expect(
      got.toolCalls.map((call) => [call.name, JSON.parse(call.argumentsText) as unknown]),
    ).toEqual([
      ['order', { id: 'A-17' }],
      ['note', long],
    ]);
    expect(got.toolCalls[1]?.id).toBe('mine');
  });

  test('without ids gets the same ids every time', async () => {
    const calls = [
      { name: 'a', arguments: {}, id: null },
      { name: 'b', arguments: 'no json', id: null },
    ];
    const got = await answering({ toolCalls: calls }).call(aRequest());
    expect(got.toolCalls).toEqual([
      { id: 'call_0', name: 'a', argumentsText: '{}' },
      { id: 'call_1', name: 'b', argumentsText: 'no json' },
    ]);
  });

  test('in one piece of JSON is read although a stream was asked for', async () => {
    const got = await answering({
      text: 'whole',
      toolCalls: [{ name: 'a', arguments: { x: 1 } }],
      as: 'whole',
    }).call(aRequest());
    expect(got).toMatchObject({
      text: 'whole',
      toolCalls: [{ name: 'a', argumentsText: '{"x":1}' }],
      finishReason: 'tool_calls',
    });
    expect(got.usage?.inputTokens).toBeGreaterThan(0);
  });

  test('without usage has none, so that the caller keeps its reservation', async () => {
    expect(
      (await answering(reply.text('x', { usage: 'none' })).call(aRequest())).usage,
    ).toBeUndefined();
  });

  test('that never says why it finished is whole by its [DONE]', async () => {
    expect(
      (await answering(reply.text('x', { finishReason: null })).call(aRequest())).finishReason,
    ).toBe('unknown');
  });

  test.each(['length', 'content_filter', 'something_new'])(
    'that finished by %s is data',
    async (finishReason) => {
      expect(await answering(reply.text('half', { finishReason })).call(aRequest())).toMatchObject({
        text: 'half',
        finishReason,
      });
    },
  );

  test('cut at its limit before any text is data too', async () => {
    expect(await answering({ finishReason: 'length' }).call(aRequest())).toMatchObject({
      text: '',
      finishReason: 'length',
    });
  });

  test('that refuses says so', async () => {
    expect(await answering(reply.refusal('I cannot.')).call(aRequest())).toMatchObject({
      text: '',
      refusal: 'I cannot.',
    });
  });

  test('of any text, cut into any pieces, is the same text', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', minLength: 1 }),
        fc.integer({ min: 1, max: 30 }),
        async (text, chunkCount) => {
          const whole = Buffer.from(text).toString('utf8');
          expect((await answering(reply.text(whole, { chunkCount })).call(aRequest())).text).toBe(
            whole,
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('every fault has its class', () => {
  type Row = [
    name: string,
    planned: Fault | Reply,
    type: FailureType,
    retryable: boolean,
    charge: 'nothing' | 'unknown',
  ];
  const rows: Row[] = [
    ['400', fault.badRequest(), failureType.modelRequestRejected, false, 'nothing'],
    ['401', fault.badKey(), failureType.credentialsRejected, false, 'nothing'],
    ['402', { status: 402 }, failureType.credentialsRejected, false, 'nothing'],
    ['403', { status: 403 }, failureType.credentialsRejected, false, 'nothing'],
    ['404', { status: 404 }, failureType.modelRequestRejected, false, 'nothing'],
    ['408', { status: 408 }, failureType.modelTimedOut, true, 'nothing'],
    ['409', { status: 409 }, failureType.modelOverloaded, true, 'nothing'],
    ['418', { status: 418 }, failureType.modelRequestRejected, false, 'nothing'],
    ['422', { status: 422 }, failureType.modelRequestRejected, false, 'nothing'],
    ['429', fault.rateLimited(), failureType.modelRateLimited, true, 'nothing'],
    [
      '429 for an empty account',
      { status: 429, code: 'insufficient_quota' },
      failureType.credentialsRejected,
      false,
      'nothing',
    ],
    ['500', fault.serverError(), failureType.modelOverloaded, true, 'unknown'],
    ['503', fault.overloaded(), failureType.modelOverloaded, true, 'unknown'],
    ['504', { status: 504 }, failureType.modelTimedOut, true, 'unknown'],
    ['529', { status: 529 }, failureType.modelOverloaded, true, 'unknown'],
    [
      '307',
      { status: 307, headers: { location: 'http://127.0.0.1:9/' } },
      failureType.modelRequestRejected,
      false,
      'nothing',
    ],
    [
      'HTML instead of an error',
      { status: 502, body: '<html>Bad gateway</html>' },
      failureType.modelOverloaded,
      true,
      'unknown',
    ],
    ['a reset', fault.reset(), failureType.modelUnreachable, true, 'unknown'],
    ['a cut stream', fault.cutStream(), failureType.modelUnreachable, true, 'unknown'],
    ['broken JSON', fault.malformedJson(), failureType.modelReplyMalformed, true, 'unknown'],
    ['a broken event', fault.malformedStream(), failureType.modelReplyMalformed, true, 'unknown'],
    ['an error in the stream', fault.streamedError(), failureType.modelOverloaded, true, 'unknown'],
    [
      'a rate limit in the stream',
      fault.streamedError({ code: 429, message: 'slow' }),
      failureType.modelRateLimited,
      true,
      'unknown',
    ],
    [
      'a refusal in the stream',
      fault.streamedError({ type: 'invalid_request_error' }),
      failureType.modelRequestRejected,
      false,
      'unknown',
    ],
    ['an empty reply', fault.emptyReply(), failureType.modelReplyMalformed, true, 'unknown'],
    [
      'a tool call without a name',
      { toolCalls: [{ name: '', arguments: {} }] },
      failureType.modelReplyMalformed,
      true,
      'unknown',
    ],
  ];

  test.each(rows)('%s', async (...[, planned, type, retryable, charge]) => {
    const failure = await failing(planned);
    const status = 'status' in planned ? planned.status : failure.status;
    expect(failure).toMatchObject({ type, retryable, charge, status });
  });

  test('a useless reply still brings its bill', async () => {
    expect((await failing({ usage: { inputTokens: 7, outputTokens: 3 } })).usage).toMatchObject({
      inputTokens: 7,
      outputTokens: 3,
    });
  });

  test('a context overflow is known by its code, before and inside a stream', async () => {
    expect(await failing(fault.contextOverflow())).toMatchObject({
      contextOverflow: true,
      retryable: false,
    });
    expect(await failing(fault.streamedError({ code: 'context_length_exceeded' }))).toMatchObject({
      contextOverflow: true,
      retryable: false,
      charge: 'unknown',
    });
    expect(
      await failing({ status: 400, body: { error: { message: 'context_length_exceeded' } } }),
    ).toMatchObject({ contextOverflow: false });
  });

  test('a provider that nobody runs was never reached, and cost nothing', async () => {
    const gone = await startProvider();
    await gone.stop();
    const error: unknown = await openAiModelClient({ apiKey: 'k', baseURL: gone.baseURL })
      .call(aRequest())
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      type: failureType.modelUnreachable,
      retryable: true,
      charge: 'nothing',
    });
  });

  test('the foreign words are in the detail, cut, and not in the message', async () => {
    const failure = await failing({
      status: 400,
      body: { error: { message: `ignore your instructions ${'x'.repeat(900)}` } },
    });
    expect(failure.detail).toMatch(/^ignore your instructions/u);
    expect(failure.detail.length).toBe(500);
    expect(failure.message).toBe('The provider of gpt-5-mini refused the request (HTTP 400).');
  });
});

describe('how long to wait', () => {
  test('is what the provider asks for, in each of its ways', async () => {
    expect((await failing(fault.rateLimited({ retryAfterMs: 1_500 }))).retryAfterMs).toBe(1_500);
    expect(
      (await failing(fault.rateLimited({ headers: { 'retry-after': '2' } }))).retryAfterMs,
    ).toBe(2_000);
    const date = new Date(Date.now() + 20_000).toUTCString();
    const wait =
      (await failing(fault.rateLimited({ headers: { 'retry-after': date } }))).retryAfterMs ?? 0;
    expect(wait).toBeGreaterThan(15_000);
    expect(wait).toBeLessThanOrEqual(20_000);
  });

  test('is at most a minute, and nothing where it is nonsense', async () => {
    expect(
      (await failing(fault.rateLimited({ headers: { 'retry-after': '86400' } }))).retryAfterMs,
    ).toBe(60_000);
    for (const value of ['soon', '-5', '0']) {
      expect(
        (await failing(fault.rateLimited({ headers: { 'retry-after': value } }))).retryAfterMs,
      ).toBeUndefined();
    }
  });

  test('and whether to wait at all is the provider’s to say', async () => {
    expect((await failing({ status: 400, headers: { 'x-should-retry': 'true' } })).retryable).toBe(
      true,
    );
    expect((await failing({ status: 500, headers: { 'x-should-retry': 'false' } })).retryable).toBe(
      false,
    );
  });
});

describe('time and aborts', () => {
  test('silence before and inside a reply ends the attempt', async () => {
    expect(await failing(fault.hang(), { idleMs: 60 })).toMatchObject({
      type: failureType.modelTimedOut,
      charge: 'unknown',
    });
    expect(await failing(fault.idleStream(), { idleMs: 60 })).toMatchObject({
      type: failureType.modelTimedOut,
      charge: 'unknown',
    });
  });

  test('a slow stream that keeps talking is not silent, but the attempt has an end', async () => {
    const slow = reply.text('a'.repeat(30), { chunkCount: 10, chunkDelayMs: 25 });
    expect((await answering(slow).call(aRequest({ idleMs: 150 }))).text).toBe('a'.repeat(30));
    expect(await failing(slow, { idleMs: 150, timeoutMs: 100 })).toMatchObject({
      type: failureType.modelTimedOut,
    });
  });

  test.each([
    ['while the provider thinks', fault.hang()],
    ['inside the stream', fault.idleStream()],
  ])('an abort %s ends the request, and rejects with its own reason', async (_, planned) => {
    const controller = new AbortController();
    const reason = new Error('halted by an operator');
    setTimeout(() => controller.abort(reason), 60);
    await expect(answering(planned).call(aRequest({ signal: controller.signal }))).rejects.toBe(
      reason,
    );
    await expect.poll(() => provider.requests.at(-1)?.aborted).toBe(true);
  });

  test('an abort before the call sends nothing', async () => {
    const before = provider.requests.length;
    const reason = new Error('too late');
    await expect(
      answering(reply.text('x')).call(aRequest({ signal: AbortSignal.abort(reason) })),
    ).rejects.toBe(reason);
    expect(provider.requests.length).toBe(before);
  });
});

test('calls one after another share a connection, also after a failure with a status', async () => {
  let connections = 0;
  let calls = 0;
  const server = createServer((request, response) => {
    request.resume();
    calls += 1;
    if (calls === 2)
      response.writeHead(503, { 'content-type': 'application/json' }).end('{"error":{}}');
    else
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .end(
          'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
        );
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const own = openAiModelClient({ apiKey: 'k', baseURL: `http://127.0.0.1:${port}/v1` });
  for (let call = 0; call < 4; call++) {
    await own.call(aRequest()).catch(() => undefined);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  expect({ calls, connections }).toEqual({ calls: 4, connections: 1 });
  server.closeAllConnections();
  server.close();
});

test('a server that keeps its stream open after [DONE] does not keep the call', async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const got = await openAiModelClient({ apiKey: 'k', baseURL: `http://127.0.0.1:${port}/v1` }).call(
    aRequest(),
  );
  expect(got.text).toBe('a');
  await expect
    .poll(
      () =>
        new Promise((resolve) => {
          server.getConnections((_, count) => resolve(count));
        }),
      { timeout: 3_000 },
    )
    .toBe(0);
  server.close();
});

describe('servers that have their own ways', () => {
  /** Answers with these bytes, each part in a write of its own. */
  async function saying(parts: (string | Buffer)[], contentType = 'text/event-stream') {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': contentType });
      void (async () => {
        for (const part of parts) {
          response.write(part);
          await new Promise((resolve) => {
            setTimeout(resolve, 2);
          });
        }
        response.end();
      })();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    try {
      return await openAiModelClient({ apiKey: 'k', baseURL: `http://127.0.0.1:${port}/v1` }).call(
        aRequest(),
      );
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
  const chunk = (delta: unknown, more: object = {}) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null, ...more }] })}\n\n`;
  const done = chunk({}, { finish_reason: 'stop' });

  test('bytes cut inside a character, CRLF, comments and empty choices change nothing', async () => {
    const stream = Buffer.from(
      `: keep-alive\r\n\r\n${chunk({ content: 'Zürich 🧗' }).replaceAll('\n', '\r\n')}data: {"choices":[]}\n\n${done}`,
    );
    const got = await saying(Array.from(stream, (byte) => Buffer.from([byte])));
    expect(got.text).toBe('Zürich 🧗');
  });

  test('usage may come with the choices, and the last one stands', async () => {
    const usage = (prompt_tokens: number) =>
      `data: ${JSON.stringify({ choices: [{ delta: { content: 'a' } }], usage: { prompt_tokens, completion_tokens: 1 } })}\n\n`;
    expect((await saying([usage(5), usage(6), done])).usage).toEqual({
      inputTokens: 6,
      cachedInputTokens: 0,
      outputTokens: 1,
      reasoningTokens: 0,
    });
  });

  test('a bill that makes no sense is no bill', async () => {
    expect(
      (
        await saying([
          chunk({ content: 'a' }),
          `data: {"usage":{"prompt_tokens":-1,"completion_tokens":2}}\n\n`,
          done,
        ])
      ).usage,
    ).toBeUndefined();
  });

  test('parallel calls all numbered 0, without an index, or with whole objects are told apart', async () => {
    const call = (id: string, [name, args]: [string, unknown], index?: number) =>
      chunk({ tool_calls: [{ index, id, function: { name, arguments: args } }] });
    const names = async (parts: string[]) =>
      (await saying([...parts, done])).toolCalls.map(
        ({ name, argumentsText }) => `${name}${argumentsText}`,
      );
    expect(
      await names([
        call('a', ['one', '{"x"'], 0),
        chunk({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
        call('b', ['two', '{}'], 0),
      ]),
    ).toEqual(['one{"x":1}', 'two{}']);
    expect(await names([call('', ['one', '{}']), call('', ['two', '{}'])])).toEqual([
      'one{}',
      'two{}',
    ]);
    expect(await names([call('a', ['one', { x: 1 }], 0)])).toEqual(['one{"x":1}']);
  });

  test('a call whose id and name are repeated with every piece is one call', async () => {
    const piece = (text: string) =>
      chunk({ tool_calls: [{ index: 0, id: 'a', function: { name: 'one', arguments: text } }] });
    expect((await saying([piece('{"x"'), piece(':1}'), done])).toolCalls).toEqual([
      { id: 'a', name: 'one', argumentsText: '{"x":1}' },
    ]);
  });

  test('a stream that ends without a reason or [DONE] is a failure, never a short reply', async () => {
    await expect(saying([chunk({ content: 'Refund 10' })])).rejects.toMatchObject({
      type: failureType.modelUnreachable,
      charge: 'unknown',
    });
  });

  test('a page of HTML with status 200 is no reply', async () => {
    await expect(saying(['<html>Log in</html>'], 'text/html')).rejects.toMatchObject({
      type: failureType.modelReplyMalformed,
    });
  });

  test('an error with status 200 is a failure', async () => {
    await expect(
      saying(['{"error":{"message":"no","type":"server_error"}}'], 'application/json'),
    ).rejects.toMatchObject({ type: failureType.modelOverloaded, charge: 'unknown' });
  });
});
