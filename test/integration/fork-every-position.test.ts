/** A run of thirty steps that pays again and again, forked at every position, with the payments counted where money moves. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ForkEdit, Run } from '../../client/index.ts';
import { toolPosition } from '../../contracts/positions.ts';
import type { App } from '../../definitions/index.ts';
import { reply, type Script } from '../../testing/provider/index.ts';
import { expectSound, rowsOf } from '../support/forks.ts';
import { type Payments, startPayments } from '../support/payments.ts';
import { createWorld, type World } from '../support/world.ts';

const steps = 30;
const input = { id: 'A-17' };

/** What the model asks for in a step: a keyed payment, one that can never be asked twice for, or only reads. */
function toolsOf(step: number): Readonly<Record<string, typeof input>> {
  if (step >= steps) return {};
  if (step % 6 === 3) return { lookup: input, charge: input };
  if (step % 6 === 0) return { wire: input };
  return { lookup: input };
}
const isPayment = (tool: string): boolean => tool === 'charge' || tool === 'wire';

const script: Script = (request) => {
  const step = request.messages.filter(({ role }) => role === 'assistant').length + 1;
  return step >= steps ? reply.text('Charged.') : reply.tools(toolsOf(step));
};

/** Positions of the payments that a step makes when its calls run. */
const paymentsOf = (step: number): readonly string[] =>
  Object.keys(toolsOf(step)).flatMap((tool, index) =>
    isPayment(tool) ? [toolPosition(step, index)] : [],
  );

interface Case {
  readonly at: string;
  readonly edit?: ForkEdit;
  /** Where the fork itself may pay: it makes two steps at most. */
  readonly pays: readonly string[];
}

const cases: readonly Case[] = Array.from({ length: steps }, (_, index) => index + 1).flatMap(
  (step): readonly Case[] => {
    const next = paymentsOf(step + 1);
    return [
      { at: `${step}`, pays: [...paymentsOf(step), ...next] },
      {
        at: `${step}`,
        edit: { reply: { calls: [{ tool: 'charge', arguments: { id: 'B-1' } }] } },
        pays: [`${step}.1`, ...next],
      },
      ...Object.keys(toolsOf(step)).flatMap((_tool, call): readonly Case[] => {
        const at = toolPosition(step, call);
        // What was paid in the step is shared, whichever of its calls is forked and however.
        return [
          { at, pays: next },
          { at, edit: { result: 'given' }, pays: next },
        ];
      }),
    ];
  },
);

let world: World;
let payments: Payments;
let parent: Run;
beforeAll(async () => {
  payments = await startPayments();
  process.env['PAYMENTS_URL'] = payments.url;
  world = await createWorld();
  const { default: app } = (await import('../support/payment-app.ts')) as { default: App };
  await world.work(app);
  world.provider.script(script);
  parent = await world.belayer.start('cashier', { input: 'Thirty steps.' });
});
afterAll(async () => {
  await world?.stop();
  await payments?.stop();
});

const moved = (run: Run): readonly (readonly [string, number])[] =>
  [...payments.moved]
    .filter(([reference]) => reference.startsWith(`${run.id}/`))
    .map(([reference, times]) => [reference.slice(run.id.length + 1), times] as const)
    .toSorted(([left], [right]) => left.localeCompare(right, 'en', { numeric: true }));
const once = (positions: readonly string[]): readonly (readonly [string, number])[] =>
  positions.map((position) => [position, 1] as const);

test(
  'no fork at any position repeats a payment, and each makes exactly those that come after it',
  { timeout: 600_000 },
  async () => {
    expect(await parent.output()).toBe('Charged.');
    const paid = Array.from({ length: steps }, (_, index) => paymentsOf(index + 1)).flat();
    expect(paid).toHaveLength(9);
    expect(moved(parent)).toEqual(once(paid));
    const before = await rowsOf(world, parent);
    const open = [...cases];
    let forks = 0;
    const forkOn = async (): Promise<void> => {
      for (let next = open.shift(); next !== undefined; next = open.shift()) {
        const { at, edit, pays } = next;
        const named = `${at} ${JSON.stringify(edit ?? 'no edit')}`;
        const fork = await parent.fork({
          at,
          limits: { steps: 2 },
          ...(edit === undefined ? {} : { edit }),
        });
        const outcome = await fork.outcome();
        expect(outcome.kind === 'done' || outcome.kind === 'stopped', named).toBe(true);
        expect(moved(fork), named).toEqual(once(pays));
        const status = await fork.status();
        expect(status.reservedMicroUsd, named).toBe(0);
        const [sent] = await world.database.query<{ prompts: number }>(
          {
            text: `select count(*)::int as prompts from belayer.attempt a join belayer.run r on r.no = a.run_no
              where r.id = $1 and a.prompt_hash is not null`,
          },
          [fork.id],
        );
        await expectSound(world, fork, sent?.prompts ?? 0);
        forks += 1;
      }
    };
    await Promise.all([forkOn(), forkOn(), forkOn()]);
    expect(forks).toBe(cases.length);
    // 30 model calls and 34 tool calls, each with an edit and without one.
    expect(forks).toBe(2 * (steps + Object.keys(toolsOf(1)).length * 29 + 5));
    expect(moved(parent)).toEqual(once(paid));
    expect([...payments.moved.values()].every((times) => times === 1)).toBe(true);
    expect(payments.requests).toHaveLength(payments.moved.size);
    expect(await rowsOf(world, parent)).toBe(before);
  },
);
