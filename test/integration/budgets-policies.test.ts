/** What becomes of a run when a budget that it shares with others is used up, by each policy, end to end. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import type { BudgetTarget, Run } from '../../client/index.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { readJournal } from '../../storage/reading-runs.ts';
import { reply } from '../../testing/provider/index.ts';
import { moveBudgetClock, untilHourEndsMs } from '../support/budget-clock.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let duringStep: (() => Promise<unknown>) | undefined;
const step = defineTool({
  name: 'step',
  description: 'Make a step.',
  effect: 'read',
  input: z.object({}),
  run: async () => {
    await duringStep?.();
    return 'made';
  },
});
const limits = { outputTokens: 100, wall: '3 seconds', costUsd: 1 } as const;
const clerk = defineAgent({ name: 'clerk', instructions: 'Work.', tools: [step], limits });
const chain = defineAgent({ name: 'chain', instructions: 'Work.', tools: [step], model: 'dear-model', fallbackModels: ['other-model'], limits }); // prettier-ignore
const boss = defineAgent({ name: 'boss', instructions: 'Delegate.', tools: [clerk.asTool()], limits }); // prettier-ignore

beforeAll(async () => {
  world = await createWorld();
  await world.work(defineApp({ agents: [clerk, chain, boss] }));
  world.provider.script(() => reply.text('done'));
  const run = await world.belayer.start('clerk', { input: 'go', customer: 'measured' });
  await run.output();
  const [attempt] = await readJournal(world.database, run.id);
  worst = attempt?.reservedMicroUsd ?? 0;
});
afterAll(() => world?.stop());
beforeEach(async () => {
  duringStep = undefined;
  customer = `customer-${(count += 1)}`;
  await moveBudgetClock(world.database, 0);
  world.provider.script(() => reply.text('done'));
});

/** Of a run of `clerk` with the input 'go': what its call reserves. */
let worst = 0;
let count = 0;
let customer = '';
const target = (): BudgetTarget => ({ customer, per: 'hour' });
const start = (agent: 'clerk' | 'chain' | 'boss' = 'clerk') =>
  world.belayer.start(agent, { input: 'go', customer });
/** A budget that has room for one call at a time, and for none after the first. */
async function usedUp(more: Partial<Parameters<typeof world.belayer.budgets.set>[0]> = {}) {
  await world.belayer.budgets.set({ ...target(), costUsd: worst / 1_000_000, ...more });
  await (await start()).output();
}
const stateOf = async (run: Run): Promise<string | undefined> =>
  (await world.belayer.runs({ customer })).find(({ id }) => id === run.id)?.state;
const waits = (run: Run) => eventually(async () => (await stateOf(run)) === 'waiting');
const kindsOf = async (run: Run): Promise<readonly string[]> => {
  const kinds: string[] = [];
  for await (const event of run.watch()) kinds.push(event.kind);
  return kinds;
};
const open = (run: Run) =>
  eventually(async () => (await run.requests()).find((request) => request.state === 'open'));

test('stop: the run stops before it sends anything, and says which budget, period and amounts', async () => {
  await usedUp();
  const before = world.provider.requests.length;
  const run = await start();
  const outcome = await run.outcome();
  expect(outcome).toMatchObject({ kind: 'stopped', because: 'budget-spent' });
  expect(outcome).toMatchObject({
    detail: expect.stringMatching(
      new RegExp(`may take ${worst} micro-dollars; \\d+ of ${worst} are left under the budget of customer \`${customer}\` per hour until .*:00:00Z`), // prettier-ignore
    ),
  });
  expect(world.provider.requests).toHaveLength(before);
});

test('wait: the run waits for the next window, is seen to wait, and its working time stands still', async () => {
  await moveBudgetClock(world.database, (await untilHourEndsMs(world.database)) - 5_000);
  await usedUp({ onExhaustion: 'wait' });
  const startedAt = performance.now();
  const run = await start();
  await waits(run);
  expect((await world.belayer.budgets.show({ customer }))[0]).toMatchObject({ waiting: 1 });
  expect(await run.output()).toBe('done');
  // Longer than its working time allows.
  expect(performance.now() - startedAt).toBeGreaterThan(3_000);
  expect(await kindsOf(run)).toEqual(['run.started', 'budget.waiting', 'model.replied', 'run.ended']); // prettier-ignore
});

test('wait: a raised budget, a changed one and a removed one wake the run at once', async () => {
  const { budgets } = world.belayer;
  for (const change of [
    () => budgets.extend({ ...target(), costUsd: worst / 1_000_000, reason: 'a busy day' }),
    () => budgets.set({ ...target(), costUsd: 1, onExhaustion: 'wait' }),
    () => budgets.remove(target()),
  ]) {
    customer = `customer-${(count += 1)}`;
    await usedUp({ onExhaustion: 'wait' });
    const run = await start();
    await waits(run);
    await change();
    expect(await run.output()).toBe('done');
  }
});

test('wait: after its bound the run stops, and what no window could hold is not waited for', async () => {
  await usedUp({ onExhaustion: 'wait', waitMax: '1 second' });
  const bounded = await start();
  expect(await bounded.outcome()).toMatchObject({
    because: 'budget-spent',
    detail: expect.stringContaining('1000 ms are allowed'),
  });
  await world.belayer.budgets.set({ ...target(), costUsd: 0.000001, onExhaustion: 'wait' });
  const hopeless = await start();
  expect(await hopeless.outcome()).toMatchObject({
    because: 'budget-spent',
    detail: expect.stringContaining('No window of it could hold this call'),
  });
  expect(await kindsOf(hopeless)).not.toContain('budget.waiting');
});

test('wait: a run that waits can be halted, steered, and paused: then the next window does not wake it', async () => {
  await usedUp({ onExhaustion: 'wait' });
  const halted = await start();
  await waits(halted);
  await halted.halt('enough');
  expect(await halted.outcome()).toMatchObject({ kind: 'stopped', because: 'halted' });
  const paused = await start();
  await waits(paused);
  await paused.pause('a closer look');
  await paused.steer('Be brief.');
  await world.belayer.budgets.remove(target());
  await eventually(async () => {
    const [row] = await world.database.query<{ count: number }>({
      text: 'select count(*) from belayer.budget_wait',
    });
    return row?.count === 0;
  });
  const before = world.provider.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(world.provider.requests).toHaveLength(before);
  await paused.resume();
  expect(await paused.output()).toBe('done');
  expect(world.provider.requests.at(-1)?.body).toContain('Be brief.');
});

test('degrade: the next cheaper model is used for that call, at a position of its own, and the next call tries the first again', async () => {
  // Room for the dear model only after the first step.
  const room = { ...target(), onExhaustion: 'degrade' as const };
  await world.belayer.budgets.set({ ...room, costUsd: (3 * worst) / 1_000_000 });
  duringStep = () => world.belayer.budgets.set({ ...room, costUsd: 1 });
  world.provider.script([reply.tools({ step: {} }), reply.text('done')]);
  const run = await start('chain');
  expect(await run.output()).toBe('done');
  const journal = await readJournal(world.database, run.id);
  expect(journal.filter(({ kind }) => kind === 'model').map(({ position, name }) => [position, name])).toEqual([
    ['1/fallback-1', 'other-model'],
    ['2', 'dear-model'],
  ]); // prettier-ignore
  const events = [];
  for await (const event of run.watch()) if (event.kind === 'budget.degraded') events.push(event);
  expect(events).toMatchObject([{ position: '1', from: 'dear-model', to: 'other-model', detail: expect.stringContaining(customer) }]); // prettier-ignore
  // Again and again, while the budget is as narrow.
  await world.belayer.budgets.remove(target());
  customer = `customer-${(count += 1)}`;
  duringStep = undefined;
  await world.belayer.budgets.set({ ...room, customer, costUsd: (4 * worst) / 1_000_000 });
  world.provider.script([reply.tools({ step: {} }), reply.text('done')]);
  const narrow = await start('chain');
  expect(await narrow.output()).toBe('done');
  expect((await kindsOf(narrow)).filter((kind) => kind === 'budget.degraded')).toHaveLength(2);
});

test('degrade: where no model fits, or tokens are what is missing, the run stops', async () => {
  await world.belayer.budgets.set({ ...target(), costUsd: 0.000001, onExhaustion: 'degrade' });
  const run = await start('chain');
  expect(await run.outcome()).toMatchObject({
    because: 'budget-spent',
    detail: expect.stringContaining('No cheaper model is left'),
  });
  expect(await kindsOf(run)).toEqual(['run.started', 'budget.degraded', 'run.ended']);
  await world.belayer.budgets.set({ ...target(), tokens: 1, onExhaustion: 'degrade' });
  const tokens = await start('chain');
  expect(await tokens.outcome()).toMatchObject({
    detail: expect.stringContaining('tokens; 1 of 1'),
  });
  expect(await kindsOf(tokens)).toEqual(['run.started', 'run.ended']);
});

test('ask: a human is asked whatever the agent says; approving tries again, extending raises the budget, denying stops', async () => {
  await usedUp({ onExhaustion: 'ask' });
  const run = await start();
  const asked = await open(run);
  expect(asked).toMatchObject({ kind: 'escalation', about: 'budget', isShared: true, position: '1/escalation' }); // prettier-ignore
  expect(asked.detail).toContain(customer);
  await run.approve(asked.position);
  const again = await open(run);
  expect(again.position).toBe('1/escalation-2');
  await expect(run.extendBudget({ steps: 3 })).rejects.toMatchObject({ type: 'DecisionRejected' });
  await expect(run.extendBudget({ tokens: 3 })).rejects.toMatchObject({
    message: expect.stringContaining('no ceiling of that kind'),
  });
  const raised = await run.extendBudget(
    { costUsd: worst / 1_000_000 },
    { by: 'ann', reason: 'it matters' },
  );
  expect(raised).toMatchObject({
    costMicroUsd: 1_000_000,
    shared: { budget: `the budget of customer \`${customer}\` per hour`, costMicroUsd: worst, tokens: 0 }, // prettier-ignore
  });
  expect(await run.output()).toBe('done');
  expect((await run.status()).ceilingMicroUsd).toBe(1_000_000);
  expect((await world.belayer.budgets.history({ customer }))[0]).toMatchObject({
    action: 'extended',
    by: 'ann',
    reason: 'it matters',
    after: { raisedMicroUsd: worst, run: run.id },
  });
  customer = `customer-${(count += 1)}`;
  await usedUp({ onExhaustion: 'ask' });
  const other = await start();
  await other.deny((await open(other)).position);
  expect(await other.outcome()).toMatchObject({ kind: 'stopped', because: 'budget-spent' });
});

test('ask: under a budget per run, what a human adds is for that run', async () => {
  await world.belayer.budgets.set({ customer, per: 'run', costUsd: 0.000001, onExhaustion: 'ask' });
  const run = await start();
  await open(run);
  await run.extendBudget({ costUsd: worst / 1_000_000 });
  expect(await run.output()).toBe('done');
  const next = await start();
  await next.deny((await open(next)).position);
  expect(await next.outcome()).toMatchObject({ because: 'budget-spent' });
});

test('a sub-agent’s calls count once in every window, under its own name, and what stops it is told to its parent', async () => {
  await world.belayer.budgets.set({ agent: 'clerk', customer, per: 'hour', costUsd: 1 });
  await world.belayer.budgets.set({ ...target(), costUsd: 1 });
  world.provider.script([reply.tools({ clerk: { input: 'go' } }), reply.text('made'), reply.text('done')]); // prettier-ignore
  const run = await start('boss');
  expect(await run.output()).toBe('done');
  const spent = async (agent: string | null) =>
    (await world.belayer.budgets.show({ customer })).find((row) => row.agent === agent)?.window
      ?.spentMicroUsd;
  const costs = async (id: string) =>
    (await readJournal(world.database, id))
      .filter(({ kind }) => kind === 'model')
      .reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0);
  const child = await costs(`${run.id}/1.1`);
  expect(await spent('clerk')).toBe(child);
  expect(await spent(null)).toBe(child + (await costs(run.id)));
  await world.belayer.budgets.set({ agent: 'clerk', customer, per: 'hour', costUsd: 0.000001 });
  world.provider.script([reply.tools({ clerk: { input: 'go' } }), reply.text('done without')]);
  const second = await start('boss');
  expect(await second.output()).toBe('done without');
  expect(world.provider.requests.at(-1)?.body).toContain('budget-spent');
});
