/** What the provider billed, held against ceilings and ledger: many real runs at once, faults, dead workers. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { reconcile } from '../../storage/budgets.ts';
import { readJournal } from '../../storage/reading-runs.ts';
import { type Fault, fault, reply } from '../../testing/provider/index.ts';
import { billedProvider } from '../support/billed-provider.ts';
import app from '../support/budget-app.ts';
import { eventually } from '../support/eventually.ts';
import { seeded } from '../support/seeded.ts';
import { killWorkerProcesses, startWorkerProcess } from '../support/worker-process.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  // Histories are long after few events, so that runs continue as new on their way.
  world = await createWorld({
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 12 },
  });
});
afterEach(() => killWorkerProcesses());
afterAll(() => world?.stop());

const windowsOf = async (customer: string) =>
  (await world.belayer.budgets.show({ customer })).flatMap(({ window }) => window ?? []);

test('a worker that is killed with a call out: its reservation stays until it is charged, never less than was billed', async () => {
  const thinks = { ...reply.text('late', { usage: { inputTokens: 200, outputTokens: 90 } }), thinkMs: 60_000 }; // prettier-ignore
  world.provider.script(() => thinks);
  const killed = await startWorkerProcess(world, { app: 'budgets' });
  await world.belayer.budgets.set({ customer: 'killed', per: 'day', costUsd: 1 });
  const run = await world.belayer.start('porter', { input: 'killed|1', customer: 'killed' });
  await eventually(() => world.provider.requests.length > 0);
  await killed.kill();
  const [held] = await windowsOf('killed');
  expect(held?.reservedMicroUsd).toBeGreaterThan(200 + 2 * 90);
  expect(held?.spentMicroUsd).toBe(0);
  // Nobody continues the run. Its attempt may still close, until its time and the margin are over.
  expect((await reconcile(world.database, { everyMs: 0 })).settled).toBe(0);
  await eventually(async () => (await reconcile(world.database, { everyMs: 0, marginMs: 0 })).settled === 1); // prettier-ignore
  expect((await windowsOf('killed'))[0]).toMatchObject({
    spentMicroUsd: held?.reservedMicroUsd,
    reservedMicroUsd: 0,
  });
  world.provider.script(() => reply.text('done'));
  await world.work(app);
  expect(await run.output()).toBe('done');
  const journal = await readJournal(world.database, run.id);
  expect(journal.map(({ outcome }) => outcome)).toEqual(['lost', 'ok']);
  const kinds = [];
  for await (const event of run.watch()) kinds.push(event.kind);
  expect(kinds).toEqual(['run.started', 'budget.reconciled', 'model.replied', 'run.ended']);
});

test('a run waits through the death of its worker, and goes on when its budget is raised', async () => {
  world.provider.script(() => reply.text('done'));
  const killed = await startWorkerProcess(world, { app: 'budgets', taskQueue: 'waiting' });
  const belayer = await world.clientOn('waiting');
  const budget = { customer: 'patient', per: 'day' as const };
  await belayer.budgets.set({ ...budget, costUsd: 0.000001, onExhaustion: 'stop' });
  const measured = await belayer.start('clerk', { input: 'patient|1', customer: 'patient' });
  const outcome = await measured.outcome();
  // What the call would take, as the refusal says it.
  const worst = Number(/may take (\d+)/.exec('detail' in outcome ? outcome.detail : '')?.[1]);
  await belayer.budgets.set({ ...budget, costUsd: worst / 1_000_000, onExhaustion: 'wait' });
  const first = await belayer.start('clerk', { input: 'patient|1', customer: 'patient' });
  await first.output();
  const run = await belayer.start('clerk', { input: 'patient|1', customer: 'patient' });
  await eventually(async () => (await run.status()).state === 'waiting');
  await killed.kill();
  await startWorkerProcess(world, { app: 'budgets', taskQueue: 'waiting' });
  expect((await run.status()).state).toBe('waiting');
  await belayer.budgets.extend({ ...budget, costUsd: worst / 1_000_000 });
  expect(await run.output()).toBe('done');
});

test('two hundred runs at once against ceilings that fit few: no bill is over a ceiling, and the ledger is never under a bill', async () => {
  const provider = billedProvider(seeded(29), { faults: 0.25, thinkMs: 20 });
  world.provider.script((request) => provider.script(request));
  const before = world.provider.meter.byModel['test-model'];
  const meteredBefore = { input: before?.inputTokens ?? 0, output: before?.outputTokens ?? 0 };
  const ceilingMicroUsd = 9_000;
  const customers = ['a', 'b', 'c', 'd', 'e'];
  await world.belayer.budgets.set({ customer: '*', per: 'day', costUsd: ceilingMicroUsd / 1_000_000 }); // prettier-ignore
  await world.belayer.budgets.set({ agent: 'clerk', per: 'month', costUsd: 1 });
  await world.belayer.budgets.set({ installation: true, per: 'hour', tokens: 1_000_000 });
  const runs = await Promise.all(
    Array.from({ length: 200 }, (_, index) => {
      const customer = customers[index % customers.length] ?? '';
      const agent = index % 4 === 0 ? 'porter' : 'clerk';
      return world.belayer.start(agent, { input: `${customer}|${1 + (index % 3)}`, customer });
    }),
  );
  const outcomes = await Promise.all(runs.map((run) => run.outcome()));
  expect(outcomes.some(({ kind }) => kind === 'done')).toBe(true);
  expect(outcomes.some((outcome) => 'because' in outcome && outcome.because === 'budget-spent')).toBe(true); // prettier-ignore
  for (const customer of customers) {
    const [window] = (await windowsOf(customer)).filter((each) => each.customer === customer);
    const bill = provider.billed.get(customer)?.microUsd ?? 0;
    expect(bill).toBeGreaterThan(0);
    expect(bill).toBeLessThanOrEqual(window?.spentMicroUsd ?? 0);
    expect(window?.spentMicroUsd).toBeLessThanOrEqual(ceilingMicroUsd);
    expect(window?.reservedMicroUsd).toBe(0);
  }
  // The provider's own meter, which knows no customers, says the same of all together.
  const meter = world.provider.meter.byModel['test-model'];
  expect(provider.total().tokens).toBe(
    (meter?.inputTokens ?? 0) + (meter?.outputTokens ?? 0) - meteredBefore.input - meteredBefore.output, // prettier-ignore
  );
});

test('refused before work costs nothing; an error after sending and a cut stream cost the whole reservation', async () => {
  await world.belayer.budgets.set({ customer: 'faults', per: 'day', costUsd: 1 });
  const spentBy = async (faults: readonly Fault[]): Promise<readonly (number | undefined)[]> => {
    const usage = { inputTokens: 100, outputTokens: 10 };
    world.provider.script([...faults, reply.text('done', { usage })]);
    const before = (await windowsOf('faults')).find(({ customer }) => customer === 'faults');
    const run = await world.belayer.start('clerk', { input: 'faults|1', customer: 'faults' });
    await run.output();
    const after = (await windowsOf('faults')).find(({ customer }) => customer === 'faults');
    const reserved = (await readJournal(world.database, run.id))[0]?.reservedMicroUsd ?? 0;
    expect(after?.reservedMicroUsd).toBe(0);
    return [(after?.spentMicroUsd ?? 0) - (before?.spentMicroUsd ?? 0) - 120, reserved];
  };
  expect((await spentBy([fault.rateLimited({ retryAfterMs: 10 })]))[0]).toBe(0);
  for (const costly of [
    fault.serverError(),
    fault.cutStream(),
    fault.streamedError(),
    fault.malformedStream(),
  ]) {
    // prettier-ignore
    const [spent, reserved] = await spentBy([costly]);
    expect(spent).toBe(reserved);
  }
});
