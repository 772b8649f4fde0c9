import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isTokenizerKnown,
  tokensOf,
  tokensUpperBound,
} from '../../activities/models/count-tokens.ts';
import { outputLimitParameter, temperatureFor } from '../../activities/models/temperature.ts';

describe('what a model takes', () => {
  test.each([
    'o1',
    'o1-mini',
    'o3',
    'o3-mini-2025-01-31',
    'o4-mini',
    'gpt-5',
    'gpt-5-mini',
    'gpt-5-nano-2025-08-07',
    'gpt-5.1',
    'gpt-5.6-sol',
    'gpt-5-codex',
    'openai/gpt-5-mini',
    'GPT-5-Mini',
    'gpt-4o-search-preview',
    'ft:o4-mini:acme::x',
  ])('%s refuses a temperature', (model) => {
    expect(temperatureFor(model)).toBeUndefined();
    expect(outputLimitParameter(model)).toBe('max_completion_tokens');
  });

  test.each([
    'gpt-4o',
    'gpt-4o-mini',
    'gpt-4.1',
    'gpt-3.5-turbo',
    'chatgpt-4o-latest',
    'gpt-5-chat-latest',
    'gpt-5.1-chat-latest',
    'ft:gpt-4o-mini:acme::x',
  ])('%s takes temperature 0 and the new name of the output limit', (model) => {
    expect(temperatureFor(model)).toBe(0);
    expect(outputLimitParameter(model)).toBe('max_completion_tokens');
  });

  test.each([
    'belayer-stand-in',
    'qwen2.5:7b',
    'llama3.1',
    'mistral-small-latest',
    'deepseek-chat',
    'gpt-oss-120b',
    'openai/gpt-oss-20b',
    'olmo-2',
    'o200k',
    'claude-sonnet-4-5',
  ])(
    '%s takes temperature 0 and the old name of the output limit, which every server knows',
    (model) => {
      expect(temperatureFor(model)).toBe(0);
      expect(outputLimitParameter(model)).toBe('max_tokens');
    },
  );
});

describe('counting tokens', () => {
  test('is exact for the models of OpenAI, each by its own encoding', async () => {
    const text = 'Donaudampfschifffahrtsgesellschaft 🧗 {"id":"A-17"}';
    expect(await tokensOf(text, 'gpt-5-mini')).toBe(countTokens(text));
    expect(await tokensOf(text, 'gpt-4-turbo')).not.toBe(countTokens(text));
  });

  test('takes what looks like a special token for plain text', async () => {
    expect(await tokensOf('<|endoftext|>', 'gpt-4o')).toBeGreaterThan(1);
  });

  test('is an upper bound for all others', async () => {
    expect(isTokenizerKnown('gpt-5-mini')).toBe(true);
    for (const model of ['llama3.1', 'claude-sonnet-4-5', 'gemini-2.5-pro', 'o200k'])
      expect(isTokenizerKnown(model)).toBe(false);
    expect(await tokensOf('é🧗', 'llama3.1')).toBe(6);
  });

  test('of a run without an end takes no time, and is an upper bound', async () => {
    for (const run of ['a', ' ', '-', 'я', '𝒳']) {
      const text = `Before. ${run.repeat(300_000 / run.length)} After.`;
      const before = performance.now();
      const tokens = await tokensOf(text, 'gpt-5');
      expect(performance.now() - before).toBeLessThan(500);
      expect(tokens).toBeGreaterThanOrEqual(300_000 / run.length);
      expect(tokens).toBeLessThanOrEqual(Buffer.byteLength(text));
    }
  });

  test('is never below the exact number, wherever long runs stand', async () => {
    const piece = fc.tuple(
      fc.constantFrom('a', ' ', '\n', '-', 'я', ' word', '1', '!A'),
      fc.integer({ min: 1, max: 700 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 4 }), async (pieces) => {
        const text = pieces.map(([unit, count]) => unit.repeat(count)).join('');
        expect(await tokensOf(text, 'gpt-4o')).toBeGreaterThanOrEqual(countTokens(text));
      }),
      { numRuns: 50 },
    );
  });

  test('never exceeds the bound, whatever the text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (text) => {
        expect(await tokensOf(text, 'gpt-4o')).toBeLessThanOrEqual(
          tokensUpperBound(Buffer.byteLength(text)),
        );
      }),
    );
  });
});
