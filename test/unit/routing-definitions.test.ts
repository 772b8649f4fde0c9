/** How an agent says which model to use and when it is done: every mistake is named, and what is frozen is data. */
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { defineAgent } from '../../definitions/index.ts';
import { freezeAgent } from '../../definitions/internal.ts';
import { toRunInput } from '../../rules/to-run-input.ts';

const base = { name: 'a', instructions: 'x' } as const;
const frozen = (agent: Parameters<typeof freezeAgent>[0]) =>
  freezeAgent(agent, { modelDefault: 'default', buildId: 'b' });
const output = z.object({ text: z.string(), sure: z.number(), name: z.string() });

test('tiers are frozen in their order before the fallbacks, and their functions by name', () => {
  const agent = defineAgent({
    ...base,
    models: { small: 's', large: 'l' },
    fallbackModels: ['f'],
    output,
    route: () => 'small',
    cascade: { from: 'small', confidence: ({ sure }) => sure, atLeast: 0.5 },
    check: () => true,
    stopWhen: () => false,
  });
  const { models, tiers, route, cascade, check, stopWhen, functions } = frozen(agent);
  expect({ models, tiers, route, cascade, check, stopWhen, functions }).toEqual({
    models: ['s', 'l', 'f'],
    tiers: ['small', 'large'],
    route: true,
    cascade: { from: 0, confidence: { atLeast: 0.5 } },
    check: true,
    stopWhen: { kind: 'function' },
    functions: ['cascade.confidence', 'check', 'route', 'stopWhen'],
  });
  const start = toRunInput({ frozen: frozen(agent), definition: 'd', transcript: { chain: 0, length: 1, head: 'h', bytes: 1 } }); // prettier-ignore
  expect(start).toMatchObject({ tiers: ['small', 'large'], route: true, cascade: { from: 0 } });
  const sure = defineAgent({ ...base, output, stopWhen: { confidence: 'sure', atLeast: 0.9 } });
  expect(frozen(sure)).toMatchObject({ stopWhen: { kind: 'confidence', field: 'sure', atLeast: 0.9 }, functions: [] }); // prettier-ignore
});

test('an agent without any of it is frozen, and started, as before there was any', () => {
  const keys = Object.keys(frozen(defineAgent({ ...base, fallbackModels: ['f'] })));
  for (const key of ['tiers', 'route', 'cascade', 'check', 'stopWhen'])
    expect(keys).not.toContain(key);
  const start = toRunInput({ frozen: frozen(defineAgent(base)), definition: 'd', transcript: { chain: 0, length: 1, head: 'h', bytes: 1 } }); // prettier-ignore
  for (const key of ['tiers', 'route', 'cascade']) expect(start).not.toHaveProperty(key);
});

test('functions are typed by the agent’s schemas', () => {
  const input = z.object({ mail: z.string().transform((text) => text.length) });
  defineAgent({
    ...base,
    models: { small: 's', large: 'l' },
    input: z.object({ mail: z.string() }),
    output,
    route: (seen) => {
      expectTypeOf(seen.input).toEqualTypeOf<{ mail: string }>();
      return undefined;
    },
    check: (given, seen) => {
      expectTypeOf(given).toEqualTypeOf<z.output<typeof output>>();
      expectTypeOf(seen.input).toEqualTypeOf<{ mail: string }>();
      return true;
    },
    stopWhen: ({ results }) =>
      results.length > 5 && { output: { text: '', sure: 1, name: '' }, because: 'enough' },
  });
  // @ts-expect-error no such number in the output
  const wrong = () => defineAgent({ ...base, models: { s: 's', l: 'l' }, output, cascade: { confidence: 'sures', atLeast: 1 } }); // prettier-ignore
  expect(wrong).toThrow('the `output` schema has no number "sures"');
  expect(input.parse({ mail: 'four' })).toEqual({ mail: 4 });
});

test('all mistakes are told at once', () => {
  const define = (more: object) => () => defineAgent({ ...base, ...more });
  expect(
    define({
      model: 'm',
      models: { '1': 'x', small: 'x', large: 7, __proto: 'f' },
      fallbackModels: ['f', 'g'],
      route: 'small',
      check: 3,
      cascade: { from: 'tiny', confidence: 'sure', least: 1 },
      stopWhen: { confidence: 4, atLeast: 2 },
    }),
  ).toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Agent \`a\`: 15 mistakes
      - \`model\` and \`models\` exclude each other
      - \`models\`: "1" must be 1 to 32 of a-z, 0-9, - and _, a letter first
      - \`models.small\`: "x" is named twice
      - \`models.large\`: 7 is not the name of a model
      - \`models\`: "__proto" must be 1 to 32 of a-z, 0-9, - and _, a letter first
      - \`models.__proto\`: "f" is named twice
      - \`models\` and \`fallbackModels\` name 6 models; \`modelsPerAgentMax\` is 5
      - \`route\` must be a function; "small" is not
      - \`check\` must be a function; 3 is not
      - \`cascade.least\` is not known; known here: from, confidence, atLeast
      - \`cascade.from\`: "tiny" is none of '1', 'small', 'large', '__proto'
      - \`cascade.atLeast\` is missing: from 0 to 1
      - \`cascade.confidence\`: the \`output\` schema has no number "sure"
      - \`stopWhen.atLeast\`: 2 must be a number from 0 to 1
      - \`stopWhen.confidence\` must be a function or the name of a number in the output; 4 is neither]
  `);
  expect(define({ route: () => 'a', cascade: true })).toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Agent \`a\`: 2 mistakes
      - \`route\` chooses between \`models\`, which are missing
      - \`cascade\` goes up through \`models\`: name at least two]
  `);
  expect(define({ models: ['a'], cascade: 1, stopWhen: 'soon' })).toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Agent \`a\`: 3 mistakes
      - \`models\` must be an object, a name of a model for each tier; ["a"] is not
      - \`cascade\` must be true or { from?, confidence?, atLeast? }; 1 is not
      - \`stopWhen\` must be a function or { confidence, atLeast }; "soon" is neither]
  `); // prettier-ignore
  expect(
    define({ models: { small: 'a', large: 'b' }, cascade: { from: 'large', confidence: 'sure' } }),
  ).toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Agent \`a\`: 3 mistakes
      - \`cascade.from\`: "large" is the last tier, with none to go up to
      - \`cascade.atLeast\` is missing: from 0 to 1
      - \`cascade.confidence\`: the \`output\` schema has no number "sure"]
  `);
  expect(define({ models: {} })).toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Agent \`a\`: 1 mistake
      - \`models\` names no model]
  `);
});
