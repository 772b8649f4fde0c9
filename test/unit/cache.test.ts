/** The cache without a database: what is equal, who shares, who may keep, and how calls wait. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { toolCacheKey } from '../../activities/cached-read.ts';
import { isAccepted, keptReply } from '../../activities/cached-reply.ts';
import { createCallCache } from '../../activities/call-cache.ts';
import type { FrozenTool } from '../../contracts/definitions.ts';
import { BelayerError } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { askHuman, defineAgent, defineTool } from '../../definitions/index.ts';
import { freezeAgent } from '../../definitions/internal.ts';
import { cacheScope } from '../../rules/cache-scope.ts';
import { equalCallWaitMs } from '../../rules/equal-call-wait.ts';
import { toRunInput } from '../../rules/to-run-input.ts';
import type { WantedEntry } from '../../storage/cache.ts';
import type { Database } from '../../storage/database.ts';
import { readWorkerSettings } from '../../workers/settings.ts';

const base = {
  name: 'order',
  description: 'Look an order up.',
  input: z.object({ id: z.string() }),
  run: () => 'found',
};
const refusal = (define: () => unknown): string => {
  try {
    define();
  } catch (error) {
    if (error instanceof BelayerError && error.type === 'DefinitionRejected') return error.message;
    throw error;
  }
  throw new Error('The definition was accepted.');
};
const frozen = (tools: Parameters<typeof defineAgent>[0]['tools'], cache?: { for: '1 hour' }) =>
  freezeAgent(
    defineAgent({
      name: 'a',
      instructions: 'Answer.',
      model: 'm',
      tools: tools ?? [],
      ...(cache && { cache }),
    }),
    { buildId: 'b' },
  );

test('customers share nothing with each other, with runs of none, or with what is public', () => {
  const scopes = [
    cacheScope({ public: true }, { customer: 'a' }),
    cacheScope({}, {}),
    ...['a', 'b', 'public', 'none', 'customer/a', ''].map((customer) => cacheScope({}, { customer })), // prettier-ignore
  ];
  // The empty name is no customer.
  expect(new Set(scopes).size).toBe(scopes.length - 1);
  expect(cacheScope({}, { customer: '' })).toBe(cacheScope({}, {}));
  expect(cacheScope({ public: true }, {})).toBe(cacheScope({ public: true }, { customer: 'b' }));
});

test('a tool’s call is another one with other arguments, another description, schema or build', () => {
  const toolOf = (more: Partial<typeof base> = {}): FrozenTool => {
    const tool = defineTool({ ...base, ...more, effect: 'read', cache: { for: '1 hour' } });
    const [found] = frozen([tool]).tools;
    if (found === undefined) throw new Error('It has a tool.');
    return found;
  };
  const call = { argumentsHash: 'x', buildId: 'b' };
  const keys = [
    toolCacheKey(toolOf(), call),
    toolCacheKey(toolOf(), { ...call, argumentsHash: 'y' }),
    toolCacheKey(toolOf(), { ...call, buildId: 'c' }),
    toolCacheKey(toolOf({ name: 'other' }), call),
    toolCacheKey(toolOf({ description: 'Look it up.' }), call),
    toolCacheKey(toolOf({ input: z.object({ id: z.string().max(9) }) }), call),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  // The code is not in it, only its build.
  expect(toolCacheKey(toolOf({ run: () => 'other' }), call)).toBe(keys[0]);
});

test('a cache is frozen where it is declared, and leaves no trace where it is not', () => {
  const plain = defineTool({ ...base, effect: 'read' });
  const cached = defineTool({
    ...base,
    effect: 'read',
    cache: { for: '10 minutes', public: true },
  });
  expect(frozen([cached], { for: '1 hour' })).toMatchObject({
    cache: { forMs: 3_600_000 },
    tools: [{ policy: { cache: { forMs: 600_000, public: true } } }],
  });
  expect(JSON.stringify(frozen([plain]))).not.toMatch(/cache/);
  const input = (agent: ReturnType<typeof frozen>): object =>
    toRunInput({ frozen: agent, definition: 'd', transcript: { chain: 0, length: 1, head: 'h', bytes: 1 } }); // prettier-ignore
  expect(input(frozen([cached], { for: '1 hour' }))).toMatchObject({ cached: true });
  expect(JSON.stringify(input(frozen([plain])))).not.toMatch(/cache/);
});

test('what may not be kept is refused by name', () => {
  const cache = { for: '1 hour' } as const;
  const write = { ...base, effect: 'write', repeat: 'safe', cache } as const;
  // @ts-expect-error a write keeps nothing
  expect(refusal(() => defineTool(write))).toContain('`cache`: this tool is a write');
  const egress = { ...base, effect: 'egress', cache } as const;
  // @ts-expect-error nor does an egress
  expect(refusal(() => defineTool(egress))).toContain("`cache`: this tool is of effect 'egress'");
  expect(
    refusal(() => defineTool({ ...base, effect: 'read', approval: 'always', cache })),
  ).toContain('`cache`: this tool needs an `approval`');
  expect(refusal(() => askHuman({ cache } as never))).toContain(
    '`cache`: this tool is a question to a human',
  );
  const agent = defineAgent({ name: 'a', instructions: 'Answer.' });
  expect(refusal(() => agent.asTool({ cache } as never))).toContain(
    '`cache`: this tool stands for a sub-agent',
  );
});

test('a cache says how long, within a limit, and nothing that is not understood', () => {
  const tool = (cache: unknown): string =>
    refusal(() => defineTool({ ...base, effect: 'read', cache: cache as never }));
  expect(tool('1 hour')).toContain('`cache` must be { for, public? }');
  expect(tool({})).toContain('`cache.for` is missing');
  expect(tool({ for: '31 days' })).toContain('`cacheForMsMax` (30 days)');
  expect(tool({ for: 'long' })).toContain('`cache.for`: "long" is not a duration');
  expect(tool({ for: '1 hour', public: false })).toContain('`cache.public` can only be true');
  expect(tool({ for: '1 hour', ttl: 5 })).toContain('`cache.ttl` is not known');
  expect(
    refusal(() =>
      defineAgent({ name: 'a', instructions: 'Answer.', cache: { for: '2 months' } as never }),
    ),
  ).toContain('`cache.for`');
});

test('the size of the cache is a setting of the worker', () => {
  expect(readWorkerSettings({}).cacheMaxMb).toBe(limits.cacheMegabytesMaxDefault);
  expect(readWorkerSettings({ BELAYER_CACHE_MAX_MB: '64' }).cacheMaxMb).toBe(64);
  for (const wrong of ['0', '-1', '1.5', 'much', '9999999'])
    expect(() => readWorkerSettings({ BELAYER_CACHE_MAX_MB: wrong })).toThrow(/BELAYER_CACHE_MAX_MB/); // prettier-ignore
});

test('only a whole reply that was accepted is for others', () => {
  const whole = { finishReason: 'stop' };
  const final = { kind: 'final', text: '"x"' } as const;
  const call = { id: '1', tool: 't', argumentsHash: 'h' };
  expect(isAccepted(final, whole)).toBe(true);
  expect(isAccepted({ kind: 'calls', calls: [call] }, { finishReason: 'tool_calls' })).toBe(true);
  expect(isAccepted(final, { finishReason: 'length' })).toBe(false);
  expect(isAccepted(final, { finishReason: 'content_filter' })).toBe(false);
  expect(isAccepted(final, { ...whole, refusal: 'No.' })).toBe(false);
  expect(isAccepted({ kind: 'refused' }, whole)).toBe(false);
  expect(isAccepted({ kind: 'misfit', problem: '' }, whole)).toBe(false);
  const error = { code: 'unknown_tool', message: '', retryable: false, attempts: 1 };
  expect(isAccepted({ kind: 'calls', calls: [{ ...call, error }] }, whole)).toBe(false);
  const made = {
    judged: final,
    reply: { text: 'x', toolCalls: [], finishReason: 'stop', model: 'm', latencyMs: 1 },
    fragment: '{}',
    costMicroUsd: 7,
  };
  const stopped = { kind: 'stopped', because: 'ceiling-breached', detail: '' } as const;
  expect(keptReply({ ...made, answer: stopped })).toBeUndefined();
  expect(keptReply({ ...made, answer: { kind: 'conflict' } })).toMatchObject({ costMicroUsd: 7 });
});

test('a wait outlasts one attempt and the lease of one that died, for near calls too', () => {
  for (const timeoutMs of [limits.nearToolMsMax, limits.nearModelCallMsMax, limits.modelCallMsMax])
    expect(equalCallWaitMs(timeoutMs)).toBeGreaterThan(timeoutMs + limits.cacheLeaseMs);
});

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }; // prettier-ignore
const wanted: WantedEntry = {
  kind: 'prompt',
  scope: 'none',
  key: 'k',
  agent: 'a',
  forMs: 1_000,
  run: 'r',
  position: '1',
};

/** A database that answers by the name of the statement, and remembers what was asked. */
function scripted(answers: Readonly<Record<string, (time: number) => object>>) {
  const asked: string[] = [];
  let notify = (_key: string): void => undefined;
  const database = {
    query: ({ name = '' }: { readonly name?: string }) => {
      asked.push(name);
      const time = asked.filter((each) => each === name).length;
      return Promise.resolve([answers[name]?.(time) ?? {}]);
    },
    listen: (_channel: string, onMessage: (key: string) => void) => {
      notify = onMessage;
      return Promise.resolve({ stop: () => Promise.resolve() });
    },
  } as unknown as Database;
  const cache = createCallCache({ database, log: silent, buildId: 'b', bytesMax: 1_000_000 });
  return { asked, cache, notify: (key: string) => notify(key) };
}

test('who follows asks again when it is told, and no sooner', async () => {
  const hit = { verdict: 'hit', body: 'b', about: {}, cost_micro_usd: 1, run: 'r0', position: '1', made_at: new Date() }; // prettier-ignore
  const { asked, cache, notify } = scripted({
    cache_take: (time) => (time < 3 ? { verdict: 'follow' } : hit),
  });
  const { signal } = new AbortController();
  const taking = cache.take(wanted, 'h', { signal, waitMs: 10_000 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(asked.filter((name) => name === 'cache_take')).toHaveLength(2);
  notify('another');
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(asked.filter((name) => name === 'cache_take')).toHaveLength(2);
  notify('k');
  expect(await taking).toMatchObject({ kind: 'hit', entry: { run: 'r0' } });
  await cache.flushHits();
  expect(asked.at(-1)).toBe('cache_count_hits');
  await cache.stop();
});

test('a wait ends with its call, and where it takes too long the workflow is told', async () => {
  const { cache } = scripted({ cache_take: () => ({ verdict: 'follow' }) });
  const controller = new AbortController();
  const taking = cache.take(wanted, 'h', { signal: controller.signal, waitMs: 10_000 });
  setTimeout(() => controller.abort(new Error('halted')), 20);
  await expect(taking).rejects.toThrow('halted');
  await expect(
    cache.take(wanted, 'h', { signal: new AbortController().signal, waitMs: 30 }),
  ).rejects.toMatchObject({ type: 'EqualCallUnderWay', nonRetryable: true });
  await cache.stop();
});

test('what is too large is not kept, nor more than a worker’s share between two sweeps', async () => {
  const { asked, cache } = scripted({
    cache_take: () => ({ verdict: 'lead' }),
    cache_keep: () => ({ kept: true }),
    cache_sweep: () => ({ removed: 0, more: false }),
  });
  const keep = async (bytes: number): Promise<string | undefined> => {
    const { signal } = new AbortController();
    const taken = await cache.take(wanted, 'h', { signal, waitMs: 10 });
    if (taken.kind !== 'make') throw new Error('It is to be made.');
    await taken.lease.keep({ body: 'x'.repeat(bytes), about: {}, costMicroUsd: 1 });
    // It has ended: nothing more is said.
    await taken.lease.release();
    return asked.at(-1);
  };
  expect(await keep(limits.cacheEntryBytesMax)).toBe('cache_release');
  expect(await keep(60_000)).toBe('cache_keep');
  // A tenth of a megabyte is its share.
  expect(await keep(60_000)).toBe('cache_release');
  await cache.sweep();
  expect(await keep(60_000)).toBe('cache_keep');
  await cache.stop();
});
