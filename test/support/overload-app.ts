/** What an overload is made of: a run of two model calls and a near read. */
import { z } from 'zod';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';

const look = defineTool({
  name: 'look',
  description: 'Look.',
  effect: 'read',
  input: z.object({}),
  run: () => 'seen',
});
const limits = { outputTokens: 100 };
const clerk = defineAgent({
  name: 'clerk',
  instructions: 'Work.',
  model: 'test-model',
  tools: [look],
  limits,
});
const porter = defineAgent({
  name: 'porter',
  instructions: 'Work.',
  model: 'other-model',
  limits,
});

export default defineApp({ agents: [clerk, porter] });
