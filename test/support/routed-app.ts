/** Agents with tiers: small and large, a fallback behind them, and functions that decide. */
import { z } from 'zod';
import {
  type AgentSpec,
  type App,
  defineAgent,
  defineApp,
  defineTool,
} from '../../definitions/index.ts';

/** How often functions of the application were asked, since a test set it to nothing. */
export const asked = { route: 0, check: 0, stopWhen: 0, order: 0 };

const order = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  run: ({ id }) => {
    asked.order += 1;
    return { id, state: id === 'A-1' ? 'shipped' : 'open' };
  },
});
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  effect: 'write',
  repeat: 'keyed',
  approval: 'always',
  input: z.object({ amount: z.number() }),
  run: ({ amount }) => ({ paid: amount }),
});

const plain = {
  instructions: 'Answer.',
  fallbackModels: ['other-model'],
  tools: [order, pay],
  limits: { outputTokens: 100 },
} as const;
const tiered = { ...plain, models: { small: 'test-model', large: 'dear-model' } } as const;

/** The application, and what of it a later version says otherwise. */
export function routedAppOf(
  now: {
    readonly longFrom?: number;
    readonly rude?: string;
    readonly shipped?: string;
  } = {},
): App {
  const mail = z.object({ mail: z.string() });
  const routing = {
    ...tiered,
    input: mail,
    route: ({ input, step, toolErrors, lastModel }) => {
      asked.route += 1;
      if (input.mail === 'nowhere') return 'medium';
      if (toolErrors > 0)
        return { model: 'large', because: `${toolErrors} failed after ${lastModel}` };
      if (step > 1) return undefined;
      return input.mail.length > (now.longFrom ?? 20)
        ? { model: 'large', because: 'long mail' }
        : 'small';
    },
  } satisfies Omit<AgentSpec<'router', typeof mail>, 'name'>;
  const router = defineAgent({ ...routing, name: 'router' });
  /** Its calls are local activities, whose attempts follow each other at once. */
  const near = defineAgent({ ...routing, name: 'near-router', placement: { models: 'near' } });

  const output = z.object({ text: z.string(), sure: z.number() });
  const cascade = defineAgent({
    ...tiered,
    name: 'cascade',
    output,
    cascade: { confidence: 'sure', atLeast: 0.8 },
    check: ({ text }, { input, tier }) => {
      asked.check += 1;
      if (text === 'throw') throw new Error('no such rule');
      return text === (now.rude ?? 'rude')
        ? `Say it politely to ${String(input)} (${tier}).`
        : true;
    },
  });
  const talker = defineAgent({
    ...tiered,
    name: 'cascade-talker',
    cascade: true,
    check: (text) => text !== 'no idea',
    session: { idle: '1 second' },
  });

  const stopper = defineAgent({
    ...plain,
    model: 'test-model',
    name: 'stopper',
    output,
    stopWhen: ({ results, calls, input, step }) => {
      asked.stopWhen += 1;
      if (input === 'badly') return { output: { text: 'x' } as never, because: 'why not' };
      for (const { tool, arguments: given, result } of results) {
        const { state } = result as { readonly state?: string };
        const { id } = given as { readonly id: string };
        if (tool === 'order' && state === (now.shipped ?? 'shipped'))
          return {
            output: { text: `${id} is shipped.`, sure: 1 },
            because: `known after step ${step}`,
          };
      }
      if (calls.some(({ tool }) => tool === 'pay'))
        return { output: { text: 'We never pay.', sure: 1 }, because: 'pay was asked for' };
      return false;
    },
  });
  const sure = defineAgent({
    ...plain,
    model: 'test-model',
    name: 'sure-talker',
    stopWhen: { confidence: (text) => (text.startsWith('Surely') ? 0.95 : 0.1), atLeast: 0.9 },
    session: { idle: '1 second' },
  });

  return defineApp({ agents: [router, near, cascade, talker, stopper, sure] });
}

export const routedApp = routedAppOf();
