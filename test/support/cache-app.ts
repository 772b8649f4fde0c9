/**
 * The application of tests about the cache. What its agents are asked decides what is equal; `lookup` counts at the
 * service whose address is in PAYMENTS_URL, or in this process where there is none.
 */
import { z } from 'zod';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';

/** What ran in this process. */
export const ran = { lookup: 0, rates: 0, big: 0, shaky: 0 };

const service = process.env['PAYMENTS_URL'] ?? '';

const lookup = defineTool({
  name: 'lookup',
  description: 'Look something up.',
  effect: 'read',
  cache: { for: '1 hour' },
  input: z.object({ id: z.string() }),
  output: z.object({ id: z.string(), state: z.string().default('known') }),
  run: ({ id }, ctx) => {
    ran.lookup += 1;
    ctx.cost(0.000_25);
    return { id };
  },
});
const rates = defineTool({
  name: 'rates',
  description: 'Today’s rates.',
  effect: 'none',
  cache: { for: '10 minutes', public: true },
  input: z.object({}),
  run: () => {
    ran.rates += 1;
    return 'rates of today';
  },
});
const slow = defineTool({
  name: 'slow',
  description: 'Takes its time.',
  effect: 'read',
  cache: { for: '1 hour' },
  timeout: '20 seconds',
  retry: { attempts: 2, firstDelay: '50ms' },
  input: z.object({ id: z.string() }),
  run: async ({ id }, ctx) => {
    const body = JSON.stringify({ reference: id, attempt: ctx.attempt });
    const answer = await fetch(service, { method: 'POST', body, signal: ctx.signal });
    if (!answer.ok) throw new Error(`The service said ${answer.status}.`);
    return `looked up ${id}`;
  },
});
const hasty = defineTool({
  name: 'hasty',
  description: 'Is slower than it was thought to be.',
  effect: 'read',
  cache: { for: '1 hour' },
  input: z.object({ id: z.string() }),
  run: async ({ id }, ctx) => {
    const body = JSON.stringify({ reference: id, attempt: ctx.attempt });
    await fetch(service, { method: 'POST', body, signal: ctx.signal });
    return `looked up ${id}`;
  },
});
const big = defineTool({
  name: 'big',
  description: 'Says a lot.',
  effect: 'read',
  cache: { for: '1 hour' },
  input: z.object({}),
  run: () => {
    ran.big += 1;
    return 'x'.repeat(300 * 1024);
  },
});
const shaky = defineTool({
  name: 'shaky',
  description: 'Fails the first time.',
  effect: 'read',
  cache: { for: '1 hour' },
  retry: { attempts: 1 },
  input: z.object({}),
  run: () => {
    ran.shaky += 1;
    if (ran.shaky === 1) throw new Error('not now');
    return 'now';
  },
});

const limits = { outputTokens: 200 };
const model = 'test-model';
const modelTimeout = '20 seconds';
const cache = { for: '1 hour' } as const;
const near = { placement: { models: 'near' }, modelTimeout: '4 seconds' } as const;

const agents = [
  defineAgent({ name: 'keeper', instructions: 'Answer.', model, modelTimeout, limits, cache }),
  defineAgent({ name: 'near-keeper', instructions: 'Near.', model, limits, cache, ...near }),
  defineAgent({
    name: 'sharer',
    instructions: 'Share.',
    model,
    limits,
    cache: { for: '1 hour', public: true },
  }),
  defineAgent({
    name: 'judge',
    instructions: 'Judge.',
    model,
    limits,
    cache,
    output: z.object({ verdict: z.enum(['yes', 'no']) }),
  }),
  // Keeps replies and results: its second step is a prompt with a kept result.
  defineAgent({ name: 'worker', instructions: 'Work.', model, limits, cache, tools: [lookup] }),
  // Its replies are not kept, its tools' results are.
  defineAgent({
    name: 'looker',
    instructions: 'Look.',
    model,
    modelTimeout,
    limits,
    tools: [lookup, rates, slow, hasty, big, shaky],
  }),
  // The same prompts without a cache, for comparison.
  defineAgent({ name: 'plain', instructions: 'Plain.', model, limits, ...near }),
];

/** Its check says no to what `refused` names. */
export const refused = new Set<string>();
const chooser = defineAgent({
  name: 'chooser',
  instructions: 'Answer.',
  models: { small: 'test-model', large: 'dear-model' },
  limits,
  cascade: true,
  check: (output) => !refused.has(output) || 'that is not it',
  cache: { for: '1 hour' },
});

export default defineApp({ agents: [...agents, chooser] });
