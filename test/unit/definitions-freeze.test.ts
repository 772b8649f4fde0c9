import { expect, test } from 'vitest';
import { z } from 'zod';
import { limits } from '../../contracts/limits.ts';
import { defineAgent, defineTool } from '../../definitions/index.ts';
import { freezeAgent } from '../../definitions/internal.ts';

const input = z.strictObject({ orderId: z.string(), amountUsd: z.number() });
const output = z.object({ reply: z.string(), confidence: z.number().default(1) });
const surroundings = { buildId: 'build-1', modelDefault: 'small-model' };

const refund = () =>
  defineTool({
    name: 'refund',
    description: 'Refund an order.',
    effect: 'write',
    repeat: 'keyed',
    keyValid: '12 hours',
    approval: ({ amountUsd }) => amountUsd > 50,
    verify: async () => ({ done: 'unknown' }),
    timeout: '20 seconds',
    retry: { attempts: 2, firstDelay: '1 minute' },
    resultTokens: 500,
    input,
    run: () => 'ok',
  });

test('a frozen agent is plain data with every default written out', () => {
  const agent = defineAgent({
    name: 'support',
    instructions: 'Answer.',
    output,
    tools: [refund()],
    fallbackModels: ['other-model'],
    limits: { costUsd: 0.25, wall: '1 hour', contextTokens: 8_000 },
  });
  const frozen = freezeAgent(agent, surroundings);
  expect(JSON.parse(JSON.stringify(frozen))).toStrictEqual(frozen);
  expect(frozen).toStrictEqual({
    version: 1,
    name: 'support',
    instructions: { kind: 'text', text: 'Answer.' },
    models: ['small-model', 'other-model'],
    modelPlacement: 'queue',
    modelTimeoutMs: limits.modelCallMsDefault,
    outputSchema: {
      type: 'object',
      properties: { reply: { type: 'string' }, confidence: { type: 'number', default: 1 } },
      required: ['reply'],
    },
    tools: [
      {
        name: 'refund',
        description: 'Refund an order.',
        inputSchema: {
          type: 'object',
          properties: { orderId: { type: 'string' }, amountUsd: { type: 'number' } },
          required: ['orderId', 'amountUsd'],
          additionalProperties: false,
        },
        policy: {
          effect: 'write',
          repeat: 'keyed',
          placement: 'queue',
          timeoutMs: 20_000,
          retry: { attempts: 2, firstDelayMs: 60_000, factor: 2, maxDelayMs: 60_000 },
          approvalDeadlineMs: limits.approvalDeadlineMsDefault,
        },
        approval: 'function',
        keyValidMs: 43_200_000,
        verify: true,
        resultTokensMax: 500,
      },
    ],
    limits: {
      costMicroUsd: 250_000,
      tokens: limits.runTokensDefault,
      steps: limits.runStepsDefault,
      wallMs: 3_600_000,
      outputTokens: limits.outputTokensDefault,
      contextTokens: 8_000,
      toolResultTokens: 8_000,
    },
    functions: ['tool.refund.approval', 'tool.refund.run', 'tool.refund.verify'],
    buildId: 'build-1',
  });
});

test('freezing gives the same bytes, in whatever order the keys of a definition were written', () => {
  const one = defineAgent({
    name: 'a',
    instructions: 'x',
    limits: { steps: 3, costUsd: 2 },
    temperature: 0,
    tools: [refund()],
  });
  const other = defineAgent({
    tools: [refund()],
    temperature: 0,
    limits: { costUsd: 2, steps: 3 },
    instructions: 'x',
    name: 'a',
  });
  const bytes = JSON.stringify(freezeAgent(one, surroundings));
  expect(JSON.stringify(freezeAgent(one, surroundings))).toBe(bytes);
  expect(JSON.stringify(freezeAgent(other, surroundings))).toBe(bytes);
});

test('fields of a schema keep their order, since a model writes them in it', () => {
  const agent = defineAgent({
    name: 'a',
    instructions: 'x',
    output: z.object({ zeal: z.string(), answer: z.string() }),
  });
  const { outputSchema } = freezeAgent(agent, surroundings);
  expect(Object.keys(outputSchema?.['properties'] as object)).toEqual(['zeal', 'answer']);
  expect(outputSchema?.['required']).toEqual(['zeal', 'answer']);
});

test('an agent without a model is refused with both ways to name one', () => {
  const agent = defineAgent({ name: 'support', instructions: 'x' });
  for (const modelDefault of [undefined, '']) {
    expect(() => freezeAgent(agent, { buildId: 'b', modelDefault })).toThrow(
      'Agent `support`: 1 mistake\n  - no model: set `model` in defineAgent, or BELAYER_MODEL in the environment',
    );
  }
});

test('the named model wins over the default, and a default that is a fallback counts once', () => {
  const named = defineAgent({ name: 'a', instructions: 'x', model: 'large-model' });
  expect(freezeAgent(named, surroundings).models).toEqual(['large-model']);
  const fallback = defineAgent({ name: 'a', instructions: 'x', fallbackModels: ['small-model'] });
  expect(freezeAgent(fallback, surroundings).models).toEqual(['small-model']);
});

test('near models have the time of a near call', () => {
  const near = defineAgent({ name: 'a', instructions: 'x', placement: { models: 'near' } });
  expect(freezeAgent(near, surroundings)).toMatchObject({
    modelPlacement: 'near',
    modelTimeoutMs: limits.nearModelCallMsMax,
  });
});

test('functions are named, not contained', () => {
  const agent = defineAgent({ name: 'a', instructions: async () => 'x', tools: [refund()] });
  const frozen = freezeAgent(agent, surroundings);
  expect(frozen.instructions).toEqual({ kind: 'function' });
  expect(frozen.functions[0]).toBe('instructions');
});
