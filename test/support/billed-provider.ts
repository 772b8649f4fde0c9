/**
 * A provider that keeps a bill for each customer: it works on what it is asked, now and then badly, and bills
 * what it worked on, delivered or not. What `budget-app.ts` asks says for whom: `acme|2` is two steps for acme.
 */
import type { Fault, Provider, Reply } from '../../testing/provider/index.ts';
import { fault } from '../../testing/provider/index.ts';
import type { Seeded } from './seeded.ts';
import { testPrices } from './world.ts';

type Request = Parameters<Extract<Parameters<Provider['script']>[0], (...args: never[]) => unknown>>[0]; // prettier-ignore

export interface BilledProvider {
  readonly script: (request: Request) => Reply | Fault;
  /** Micro-dollars and tokens, by customer. */
  readonly billed: Map<string, { microUsd: number; tokens: number; calls: number }>;
  /** Of all customers. */
  total(): { readonly microUsd: number; readonly tokens: number };
}

export function billedProvider(
  random: Seeded,
  options: { readonly faults: number; readonly thinkMs?: number },
): BilledProvider {
  const billed: BilledProvider['billed'] = new Map();
  const bill = (
    customer: string,
    model: string,
    usage: { inputTokens: number; outputTokens: number },
  ) => {
    // prettier-ignore
    const price = testPrices[model] as { inputUsdPerMillion: number; outputUsdPerMillion: number };
    const mine = billed.get(customer) ?? { microUsd: 0, tokens: 0, calls: 0 };
    mine.microUsd += Math.ceil(
      usage.inputTokens * price.inputUsdPerMillion + usage.outputTokens * price.outputUsdPerMillion,
    );
    mine.tokens += usage.inputTokens + usage.outputTokens;
    mine.calls += 1;
    billed.set(customer, mine);
  };
  return {
    billed,
    total: () =>
      [...billed.values()].reduce(
        (sum, { microUsd, tokens }) => ({
          microUsd: sum.microUsd + microUsd,
          tokens: sum.tokens + tokens,
        }),
        { microUsd: 0, tokens: 0 },
      ),
    script(request) {
      if (random.chance(options.faults / 2))
        return random.pick([fault.rateLimited({ retryAfterMs: 50 }), fault.serverError(), fault.reset()]); // prettier-ignore
      const asked = request.messages.find(({ role }) => role === 'user')?.content;
      const [customer = '', steps = '1'] = (typeof asked === 'string' ? asked : '').split('|');
      const usage = {
        inputTokens: Math.ceil(Buffer.byteLength(JSON.stringify(request)) / 4),
        outputTokens: 20 + Math.floor(random.next() * 80),
      };
      bill(customer, request.model, usage);
      const more = { usage, thinkMs: Math.round((options.thinkMs ?? 0) * (0.5 + random.next())) };
      if (random.chance(options.faults / 2))
        return random.pick([fault.cutStream({ text: 'begun', ...more }), fault.streamedError(), fault.malformedStream()].map((each) => ({ ...each, reply: { text: 'begun', ...more } }))); // prettier-ignore
      const said = request.messages.filter(({ role }) => role === 'assistant').length;
      const delegates = request.tools?.some((tool) => tool.function.name === 'clerk') === true;
      if (delegates && said === 0)
        return {
          toolCalls: ['1', '2'].map((n) => ({
            name: 'clerk',
            arguments: { input: `${customer}|${n}` },
          })),
          ...more,
        };
      return !delegates && said + 1 < Number(steps)
        ? { toolCalls: [{ name: 'step', arguments: {} }], ...more }
        : { text: 'done', ...more };
    },
  };
}
