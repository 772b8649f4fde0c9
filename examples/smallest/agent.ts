/** The smallest agent, all of it: `npx belayer run examples/smallest/agent.ts "Where is A-17?"`. */
import { defineAgent, defineTool } from 'belayer';
import { z } from 'zod';
import { orders } from './orders.ts';

const order = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string().describe('For example A-17.') }),
  run: ({ id }) => orders.get(id),
});

export default defineAgent({
  name: 'smallest',
  instructions: 'Answer about orders.',
  tools: [order],
});
