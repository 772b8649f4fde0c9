/** How the service and the provider fail, by seed: which fault meets which request of which run. */
import { fault, type Fault, type Reply } from '../../testing/provider/index.ts';
import { type Asked, isWrite, toolMs, type ToolName, toolNames } from './chaos-tools.ts';
import type { Conduct } from './payment-service.ts';
import { between, seededBy } from './seeded-by.ts';

export type Rates = Readonly<Record<ToolName, number>>;

/** Each tool fails at 1, 10 or 30 %; which one at which is the seed's. */
export function ratesOf(seed: number): Rates {
  const turn = between(seededBy(seed, 'rates'), 0, 2);
  const rates = [0.01, 0.1, 0.3];
  return Object.fromEntries(
    toolNames.map((name, index) => [name, rates[(index + turn) % 3]]),
  ) as unknown as Rates;
}

export const everyToolAt = (rate: number): Rates =>
  Object.fromEntries(toolNames.map((name) => [name, rate])) as unknown as Rates;

const reads: readonly Pick<Conduct, 'name' | 'answer'>[] = [
  { name: 'error', answer: 'error' },
  { name: 'timeout', answer: 'never' },
  { name: 'drop', answer: 'drop' },
  { name: 'garbage', answer: 'garbage' },
];
const writes: readonly Pick<Conduct, 'name' | 'answer' | 'acts'>[] = [
  { name: 'error before', answer: 'error', acts: false },
  { name: 'error after', answer: 'error', acts: true },
  { name: 'declined', answer: 'decline', acts: false },
  { name: 'timeout before', answer: 'never', acts: false },
  { name: 'timeout after', answer: 'never', acts: true },
  { name: 'drop before', answer: 'drop', acts: false },
  { name: 'drop after', answer: 'drop', acts: true },
  { name: 'garbage', answer: 'garbage', acts: true },
];

/** What becomes of the `time`-th request of a call. */
export function conductOf(
  seed: number,
  rates: Rates,
  workMs: number,
): (asked: Asked, time: number) => Conduct {
  return (asked, time) => {
    const random = seededBy(seed, 'service', asked.order, asked.position, time);
    const { tool } = asked;
    const thinkMs = between(random, 0, workMs);
    if (!random.chance(rates[tool])) return { name: 'ok', acts: true, answer: 'ok', thinkMs };
    // A fifth of the faults are no more than slowness.
    if (random.chance(0.2))
      return { name: 'slow', acts: true, answer: 'ok', thinkMs: Math.round(toolMs[tool] / 3) };
    const chosen = isWrite(tool) ? random.pick(writes) : { ...random.pick(reads), acts: false };
    return { ...chosen, thinkMs };
  };
}

/** What the provider does instead of its reply, or undefined. */
export function providerFault(
  seed: number,
  odds: number,
  of: {
    readonly order: string;
    readonly step: number;
    readonly time: number;
    readonly reply: Reply;
  },
): Fault | undefined {
  const random = seededBy(seed, 'provider', of.order, of.step, of.time);
  if (!random.chance(odds)) return undefined;
  return random.pick<() => Fault>([
    () => fault.rateLimited({ retryAfterMs: between(random, 100, 1_000) }),
    () => fault.serverError(),
    () => fault.overloaded(),
    () => fault.reset(),
    () => fault.cutStream(of.reply),
    () => fault.malformedJson(),
    () => fault.malformedStream(),
    () => fault.streamedError(),
    () => fault.emptyReply(),
    () => fault.slow(between(random, 500, 2_000), of.reply),
  ])();
}
