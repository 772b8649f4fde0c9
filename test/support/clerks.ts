/** The application of the tests of forks: reads and writes that tell of themselves, and a session. */
import { z } from 'zod';
import {
  defineAgent,
  defineApp,
  defineTool,
  NotDone,
  type ToolContext,
} from '../../definitions/index.ts';

/** What ran, as `RUN POSITION what`. */
export const ran: string[] = [];
const note = (ctx: ToolContext, what: unknown): void => {
  ran.push(`${ctx.run} ${ctx.position} ${String(what)}`);
};
/** What a run's tools did, as `POSITION what`, in order. */
export const ranOf = (run: { readonly id: string }): readonly string[] =>
  ran.filter((line) => line.startsWith(`${run.id} `)).map((line) => line.slice(run.id.length + 1));

export const gates: { hold: Promise<void>; open: () => void } = {
  hold: Promise.resolve(),
  open: () => undefined,
};
/** Lets `linger` and `dawdle` wait until `gates.open()`. */
export function closeGate(): void {
  gates.hold = new Promise((resolve) => {
    gates.open = resolve;
  });
}

const order = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  output: z.object({ id: z.string(), state: z.string() }),
  run: ({ id }, ctx) => {
    note(ctx, id);
    return { id, state: 'open' };
  },
});
const pay = defineTool({
  name: 'pay',
  description: 'Pay.',
  effect: 'write',
  repeat: 'keyed',
  approval: { when: ({ amount }) => amount > 50, deadline: '60 seconds' },
  input: z.object({ amount: z.number() }),
  run: ({ amount }, ctx) => {
    note(ctx, amount);
    return { paid: amount };
  },
});
const wire = defineTool({
  name: 'wire',
  description: 'Wire money; nobody knows whether it worked.',
  effect: 'write',
  repeat: 'never',
  input: z.object({}),
  run: (_, ctx) => {
    note(ctx, 'wired');
    throw new Error('connection reset');
  },
});
const linger = defineTool({
  name: 'linger',
  description: 'A slow read on the queue.',
  effect: 'egress',
  timeout: '60 seconds',
  input: z.object({}),
  run: async (_, ctx) => {
    note(ctx, 'lingers');
    await Promise.race([
      gates.hold,
      new Promise((_resolve, reject) => {
        ctx.signal.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    ]);
    return 'at last';
  },
});
const dawdle = defineTool({
  name: 'dawdle',
  description: 'A slow write.',
  effect: 'write',
  repeat: 'safe',
  timeout: '60 seconds',
  input: z.object({}),
  run: async (_, ctx) => {
    note(ctx, 'dawdles');
    await gates.hold;
    return 'written';
  },
});
const ill = defineTool({
  name: 'ill',
  description: 'Never there.',
  effect: 'write',
  repeat: 'never',
  retry: { attempts: 1 },
  input: z.object({ cents: z.number() }),
  fallback: [{ tool: pay, input: ({ cents }) => ({ amount: cents / 100 }) }],
  run: () => {
    throw new NotDone('away', { retryable: true });
  },
});
const writer = defineAgent({
  name: 'writer',
  instructions: 'Write.',
  output: z.object({ text: z.string() }),
  tools: [pay],
});
const tools = [order, pay, wire, linger, dawdle, ill, writer.asTool()];

export const clerks = defineApp({
  agents: [
    defineAgent({ name: 'clerk', instructions: 'Work.', tools }),
    defineAgent({
      name: 'near-clerk',
      instructions: 'Work.',
      tools,
      placement: { models: 'near' },
    }),
    defineAgent({
      name: 'scholar',
      instructions: ({ about }) => `Write about ${about}.`,
      input: z.object({ about: z.string() }),
      output: z.object({ text: z.string() }),
      tools: [order],
      fallbackModels: ['other-model'],
    }),
    defineAgent({
      name: 'talker',
      instructions: 'Talk.',
      tools: [order],
      session: { idle: '20 seconds' },
    }),
    writer,
  ],
});
