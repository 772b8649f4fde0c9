/** The application of tests about shared budgets: one agent near, one on the queue that delegates to it twice at once. */
import { z } from 'zod';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';

const step = defineTool({
  name: 'step',
  description: 'Make a step.',
  effect: 'read',
  input: z.object({}),
  run: () => 'made',
});
const limits = { outputTokens: 100 };
const clerk = defineAgent({
  name: 'clerk',
  instructions: 'Work.',
  model: 'test-model',
  placement: { models: 'near' },
  modelTimeout: '4 seconds',
  tools: [step],
  limits,
});
const porter = defineAgent({
  name: 'porter',
  instructions: 'Delegate.',
  model: 'test-model',
  modelTimeout: '4 seconds',
  tools: [clerk.asTool()],
  limits,
});

export default defineApp({ agents: [clerk, porter] });
