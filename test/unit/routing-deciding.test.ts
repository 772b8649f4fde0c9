/** What an agent's own functions make of replies and results, without servers. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { cheaperModel } from '../../activities/cheaper-model.ts';
import { chooseTier } from '../../activities/deciding/choose-tier.ts';
import { routingSaved } from '../../activities/deciding/savings.ts';
import { askStopWhen, resultsOf } from '../../activities/deciding/short-circuit.ts';
import { takeReply } from '../../activities/deciding/take-reply.ts';
import { requireFunctions } from '../../activities/deciding/call-function.ts';
import { priceOf } from '../../activities/models/prices.ts';
import { limits } from '../../contracts/limits.ts';
import { type AnyAgent, defineAgent, defineTool } from '../../definitions/index.ts';
import { freezeAgent } from '../../definitions/internal.ts';
import { compareCalls } from '../../client/diff/order-positions.ts';
import type { TrailCall } from '../../client/diff/trail.ts';
import { assistantMessage, toolMessage, userMessage } from '../../rules/render-message.ts';
import { reply, simulate } from '../../testing/index.ts';

const look = defineTool({
  name: 'look',
  description: 'Looks.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  run: ({ id }) => ({ id, found: id === 'x' }),
});
const base = { name: 'a', instructions: 'x', models: { small: 's', medium: 'm', large: 'l' }, tools: [look] } as const; // prettier-ignore
const output = z.object({ text: z.string(), sure: z.number().optional() });
const response = (text: string, toolCalls: { id: string; name: string; argumentsText: string }[] = []) => ({ text, toolCalls, finishReason: 'stop', model: 's', latencyMs: 1 }); // prettier-ignore
const frozenOf = (agent: AnyAgent) => freezeAgent(agent, { buildId: 'b' });
const seen = { step: 1, model: 's', mayRaise: true, input: 'in' };
const take = (agent: AnyAgent, text: string, more: Partial<typeof seen> = {}) =>
  takeReply(agent, frozenOf(agent), response(text), { ...seen, ...more });

describe('a reply', () => {
  const agent = defineAgent({
    ...base,
    output: output.extend({ sure: z.number() }),
    cascade: { confidence: 'sure', atLeast: 0.5 },
    check: ({ text }, { tier, model, input }) =>
      text === 'no' ? false : text === 'bad' ? `${tier}, ${model}, ${input}` : true,
  });
  const json = (text: string, sure = 1): string => JSON.stringify({ text, sure });

  test('is rejected where a larger model is left, and taken or mended where none is', async () => {
    const none = { mayRaise: false };
    expect((await take(agent, json('yes'))).judged).toMatchObject({ kind: 'final' });
    expect((await take(agent, json('no'))).judged).toEqual({ kind: 'rejected', because: 'check: a check of the application said no.' }); // prettier-ignore
    expect((await take(agent, json('bad'))).judged).toEqual({ kind: 'rejected', because: 'check: small, s, in' }); // prettier-ignore
    expect((await take(agent, json('bad'), none)).judged).toEqual({ kind: 'misfit', problem: 'Your reply will not do: small, s, in Give the whole answer again.' }); // prettier-ignore
    expect((await take(agent, json('yes', 0.49))).judged).toEqual({ kind: 'rejected', because: 'confidence 0.49 is under 0.5' }); // prettier-ignore
    expect(await take(agent, json('yes', 0.49), none)).toMatchObject({ judged: { kind: 'final' }, problem: 'confidence 0.49 is under 0.5' }); // prettier-ignore
    expect((await take(agent, json('yes', 0.5))).problem).toBeUndefined();
  });

  test('that says no confidence is not sure', async () => {
    const shy = defineAgent({ ...base, output: output.extend({ sure: z.number() }), cascade: { confidence: 'sure', atLeast: 0 } }); // prettier-ignore
    const worker = { ...shy, output } as AnyAgent;
    expect((await takeReply(worker, frozenOf(shy), response('{"text":"x"}'), seen)).judged).toEqual({ kind: 'rejected', because: 'the output says no confidence' }); // prettier-ignore
  });

  test('is never rejected for what it asks for, nor a refusal', async () => {
    const calls = [{ id: '1', name: 'look', argumentsText: '{"id":"x"}' }];
    const asks = await takeReply(agent, frozenOf(agent), response('', calls), seen);
    expect(asks.judged.kind).toBe('calls');
    const refuses = await takeReply(agent, frozenOf(agent), { ...response(''), refusal: 'no' }, seen); // prettier-ignore
    expect(refuses.judged.kind).toBe('refused');
  });

  test('is rejected only where it may be, whatever it says', async () => {
    expect.hasAssertions();
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), fc.boolean(), async (text, sure, mayRaise, isJson) => {
        const { judged } = await take(agent, isJson ? json(text, sure) : text, { mayRaise });
        if (!mayRaise) expect(judged.kind).not.toBe('rejected');
        if (mayRaise) expect(judged.kind).not.toBe('misfit');
        if (judged.kind === 'final' && mayRaise) expect(sure).toBeGreaterThanOrEqual(0.5);
      }),
      { numRuns: 200 },
    ); // prettier-ignore
  });

  test('meets functions that fail loudly, each by its name', async () => {
    const failing = (more: object) => take(defineAgent({ ...base, output, ...more }), json('yes'));
    await expect(failing({ check: () => 7 })).rejects.toThrow('`check` of agent `a` said 7, which is neither true, false nor words.'); // prettier-ignore
    await expect(failing({ check: () => { throw new Error('oh'); } })).rejects.toThrow('`check` of agent `a` threw: oh.'); // prettier-ignore
    await expect(failing({ check: () => new Promise(() => undefined) })).rejects.toThrow(`took longer than ${limits.agentFunctionMsMax} ms`); // prettier-ignore
    const holdingTheThread = (): true => {
      const until = performance.now() + limits.agentFunctionMsMax + 50;
      while (performance.now() < until);
      return true;
    };
    await expect(failing({ check: holdingTheThread })).rejects.toThrow(`took longer than ${limits.agentFunctionMsMax} ms`); // prettier-ignore
    await expect(failing({ cascade: { confidence: () => 2, atLeast: 1 } })).rejects.toThrow('`cascade.confidence` of agent `a` said 2, which is no number from 0 to 1.'); // prettier-ignore
  });
});

test('a route names a tier, with a reason or without, or says nothing', async () => {
  const facts = { step: 1, promptTokens: 1, toolCalls: [], toolErrors: 0, spentMicroUsd: 0, input: '' }; // prettier-ignore
  const said = (value: unknown) => {
    const agent = defineAgent({ ...base, route: () => value as never });
    return chooseTier(agent, frozenOf(agent), facts);
  };
  expect(await said(undefined)).toEqual({});
  expect(await said('medium')).toEqual({ tier: 1 });
  expect(await said({ model: 'large', because: 'x'.repeat(1_000) })).toEqual({ tier: 2, because: 'x'.repeat(limits.choiceCharsMax) }); // prettier-ignore
  await expect(said({ model: 'huge' })).rejects.toThrow('`route` of agent `a` said "huge", which is none of its tiers: small, medium, large.'); // prettier-ignore
  await expect(said(null)).rejects.toThrow('none of its tiers');
  await expect(said({ model: 'small', because: 3 })).rejects.toThrow('gave 3 for a reason');
});

test('a worker whose agent lacks a function that the definition names does not take the call', () => {
  const agent = defineAgent({ ...base, check: () => true });
  const other = defineAgent(base);
  expect(() => requireFunctions(agent, frozenOf(agent))).not.toThrow();
  expect(() => requireFunctions(other, frozenOf(agent))).toThrow('This worker\'s agent `a` has no function `check`.'); // prettier-ignore
});

describe('stopWhen', () => {
  const stop = (said: unknown, more: object = { output }) =>
    askStopWhen(defineAgent({ ...base, ...more, stopWhen: () => said as never }), { input: '', step: 1, results: [], calls: [], text: '' }); // prettier-ignore

  test('gives an output as the model would have written it, or nothing', async () => {
    expect(await stop(false)).toBeUndefined();
    expect(await stop(undefined)).toBeUndefined();
    expect(await stop({ output: { text: 'x' }, because: 'y' })).toEqual({
      text: '{"text":"x"}',
      fragment: '{"role":"assistant","content":"{\\"text\\":\\"x\\"}"}',
      because: 'y',
    });
    expect(await stop({ output: 'x', because: 'y' }, {})).toMatchObject({ text: '"x"' });
  });

  test('that gives anything else fails by its name', async () => {
    for (const [said, problem] of [
      [true, 'said true, which is neither false nor { output, because }'],
      [{ output: { text: 'x' } }, 'gave no reason'],
      [{ output: { text: 1 }, because: 'y' }, 'gave an output that does not fit'],
    ] as const)
      await expect(stop(said)).rejects.toThrow(`\`stopWhen\` of agent \`a\` ${problem}`);
    await expect(stop({ output: 3, because: 'y' }, {})).rejects.toThrow('which is no text');
  });

  test('is told results with their calls, and nothing where somebody said something behind them', () => {
    const asking = assistantMessage({ text: '', toolCalls: [{ id: '1', name: 'look', argumentsText: '{"id":"x"}' }, { id: '2', name: 'look', argumentsText: '{' }] }); // prettier-ignore
    const told = [toolMessage('1', '{"found":true}'), toolMessage('2', '42')];
    expect(resultsOf(asking, told)).toEqual([
      { tool: 'look', arguments: { id: 'x' }, result: { found: true } },
      { tool: 'look', arguments: '{', result: '42' },
    ]);
    expect(resultsOf(asking, [...told, userMessage('Wait.')])).toBeUndefined();
    expect(resultsOf(userMessage('Hi.'), told)).toBeUndefined();
  });
});

const prices = (model: string) =>
  priceOf(model, { overrides: { s: { inputUsdPerMillion: 1, outputUsdPerMillion: 2 }, m: { inputUsdPerMillion: 3, outputUsdPerMillion: 6 }, l: { inputUsdPerMillion: 10, outputUsdPerMillion: 20 }, f: { inputUsdPerMillion: 5, outputUsdPerMillion: 10 } } }); // prettier-ignore

test('what routing saved is what the largest tier would have cost, less what was paid; a rejected reply was in vain', () => {
  const frozen = { models: ['s', 'm', 'l', 'f'], tiers: ['small', 'medium', 'large'] };
  const usage = { inputTokens: 1_000, cachedInputTokens: 0, outputTokens: 100, reasoningTokens: 0 };
  const saved = (model: string, costMicroUsd: number, isInVain = false, isForced = false) =>
    routingSaved(frozen, { model, usage, costMicroUsd, isInVain, isForced }, prices);
  expect(saved('s', 1_200)).toBe(12_000 - 1_200);
  expect(saved('m', 3_600)).toBe(12_000 - 3_600);
  expect(saved('s', 1_200, true)).toBe(-1_200);
  expect(saved('s', 1_200, false, true)).toBeUndefined();
  expect(saved('l', 12_000)).toBeUndefined();
  expect(saved('f', 6_000)).toBeUndefined();
  expect(routingSaved({ models: ['s'] }, { model: 's', usage, costMicroUsd: 1, isInVain: false, isForced: false }, prices)).toBeUndefined(); // prettier-ignore
  expect(routingSaved(frozen, { model: 's', usage: undefined, costMicroUsd: 1, isInVain: false, isForced: false }, prices)).toBeUndefined(); // prettier-ignore
});

test('where a budget has no room the next smaller tier is used, then a cheaper fallback; without tiers the next of the list', () => {
  const bounds = { promptTokensMax: 1_000, outputTokensMax: 100 };
  const from = (model: string, tiers?: string[], rejected?: string[] | 'all') =>
    cheaperModel({ models: ['s', 'm', 'l', 'f'], ...(tiers === undefined ? {} : { tiers }) }, { model, price: prices(model)!, bounds }, prices, rejected); // prettier-ignore
  const tiers = ['small', 'medium', 'large'];
  expect(from('l', tiers)).toBe(1);
  expect(from('m', tiers)).toBe(0);
  expect(from('s', tiers)).toBeUndefined();
  expect(from('l')).toBe(3);
  expect(from('m')).toBeUndefined();
  // Not one whose reply to this very prompt was rejected.
  expect(from('l', tiers, ['m'])).toBe(0);
  expect(from('l', tiers, ['s', 'm'])).toBe(3);
  expect(from('l', tiers, 'all')).toBe(3);
});

test('a trail has a larger model’s call behind the smaller one’s and before a repair', () => {
  const positions = ['2', '1/repair-1', '1/interrupt-1', '1/up-2', '1/up-1-fallback-1', '1/up-1', '1/fallback-1', '1']; // prettier-ignore
  const sorted = positions
    .map((position) => ({ kind: 'model', position }) as TrailCall)
    .toSorted(compareCalls);
  expect(sorted.map(({ position }) => position)).toEqual(['1', '1/fallback-1', '1/up-1', '1/up-1-fallback-1', '1/up-2', '1/interrupt-1', '1/repair-1', '2']); // prettier-ignore
});

describe('a simulation', () => {
  test('routes, goes up, and stops as a run does', async () => {
    const agent = defineAgent({
      ...base,
      output,
      route: ({ step, toolCalls }) =>
        step === 2 && toolCalls[0] === 'look' ? 'medium' : undefined,
      cascade: true,
      check: ({ text }) => text !== 'no',
    });
    const { prompts, outcome } = await simulate(agent, [reply.tools({ look: { id: 'x' } }), reply.json({ text: 'no' }), reply.json({ text: 'yes' })], { input: 'Hi' }); // prettier-ignore
    expect(prompts.map(({ model }) => model)).toEqual(['s', 'm', 'l']);
    expect(prompts[2]?.messages).toEqual(prompts[1]?.messages);
    expect(outcome).toEqual({ kind: 'done', output: { text: 'yes' } });
  });

  test('stops before a call, on a reply, and fails by the name of a function', async () => {
    const stopWhen = ({ results, calls }: { results: readonly { result: unknown }[]; calls: readonly { arguments: unknown }[] }) => // prettier-ignore
      (calls[0]?.arguments as { id?: string })?.id === 'never'
        ? { output: { text: 'not made' }, because: 'never' }
        : (results[0]?.result as { found?: boolean })?.found === true && { output: { text: 'found' }, because: 'found' }; // prettier-ignore
    const agent = defineAgent({ ...base, output, stopWhen });
    const run = (...ids: string[]) =>
      simulate(agent, ids.map((id) => reply.tools({ look: { id } })), { input: 'Hi' }); // prettier-ignore
    expect(await run('y', 'x')).toMatchObject({ outcome: { output: { text: 'found' } }, steps: 3 });
    expect(await run('never')).toMatchObject({ outcome: { output: { text: 'not made' } }, calls: [] }); // prettier-ignore
    const broken = defineAgent({ ...base, route: () => 'huge' });
    expect((await simulate(broken, [], { input: 'Hi' })).outcome).toMatchObject({ kind: 'failed', failure: { type: 'FunctionFailed' } }); // prettier-ignore
  });
});
