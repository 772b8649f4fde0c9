/** Equal calls at the same time, over two worker processes: one is made, whatever becomes of who makes it. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Run } from '../../client/index.ts';
import { readJournal } from '../../storage/reading-runs.ts';
import { type ChatRequest, fault, reply } from '../../testing/provider/index.ts';
import { moveCacheClock, stopCacheClock } from '../support/cache-clock.ts';
import { eventually } from '../support/eventually.ts';
import { type Payments, startPayments } from '../support/payments.ts';
import { killWorkerProcesses, startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts'; // prettier-ignore
import { createWorld, type World } from '../support/world.ts';

let world: World;
let service: Payments;
let workers: readonly WorkerProcess[] = [];
beforeAll(async () => {
  [world, service] = await Promise.all([createWorld(), startPayments()]);
});
beforeEach(async () => {
  await moveCacheClock(world.database, 0);
  await world.belayer.cache.clear();
  if (workers.length > 0) return;
  workers = await Promise.all([1, 2].map(() => startWorkerProcess(world, { app: 'cache', paymentsUrl: service.url }))); // prettier-ignore
});
afterAll(async () => {
  await killWorkerProcesses();
  await service?.stop();
  await world?.stop();
});
/** After a test that killed one. */
const fresh = async (): Promise<void> => {
  await killWorkerProcesses();
  workers = [];
};

const usage = { inputTokens: 100, outputTokens: 10 };
const twins = (count: number, agent: string, input: string): Promise<readonly Run[]> =>
  Promise.all(Array.from({ length: count }, () => world.belayer.start(agent, { input })));
const outputs = (runs: readonly Run[]): Promise<readonly unknown[]> =>
  Promise.all(runs.map((run) => run.output()));
const callsSince = (before: number): number => world.provider.requests.length - before;
const asks = (request: ChatRequest, text: string): boolean =>
  request.messages.some(({ content }) => content === text);
const leases = (): Promise<readonly { readonly holder: string; readonly followed: boolean }[]> =>
  world.database.query({ text: 'select holder, followed from belayer.cache_lease' });
const leaseRunsOut = () =>
  world.database.query({
    text: `update belayer.cache_lease set until = clock_timestamp() - interval '1 second'`,
  });
/** The worker process that holds the only lease. */
const leader = async (): Promise<WorkerProcess> => {
  const [lease] = await leases();
  const found = workers.find(({ pid }) => lease?.holder.startsWith(`${pid}@`));
  if (found === undefined) throw new Error(`Nobody of these holds ${lease?.holder}.`);
  return found;
};
const followers = (runs: readonly Run[]) =>
  eventually(async () => (await leases()).some(({ followed }) => followed) && runs.length > 1);

test('fifty equal calls over two workers at once: the provider has one, near as on the queue', async () => {
  world.provider.script((_, n) => ({ ...reply.text(`answer ${n}`, { usage }), thinkMs: 700 }));
  for (const [agent, count] of [
    ['keeper', 50],
    ['near-keeper', 20],
  ] as const) {
    // prettier-ignore
    const before = world.provider.requests.length;
    const runs = await twins(count, agent, `What do you say to all, ${agent}?`);
    expect(new Set(await outputs(runs)).size).toBe(1);
    expect(callsSince(before)).toBe(1);
    const journals = await Promise.all(runs.map(({ id }) => readJournal(world.database, id)));
    const rows = journals.flat();
    expect(rows.filter(({ saved }) => saved === null)).toHaveLength(1);
    expect(rows.reduce((sum, row) => sum + row.costMicroUsd, 0)).toBe(120);
    expect(new Set(rows.map(({ worker }) => worker.split('/')[0])).size).toBe(2);
    expect(await leases()).toEqual([]);
  }
});

test('equal calls of a tool at once: it runs once', async () => {
  service.conduct(() => ({ thinkMs: 700 }));
  world.provider.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? reply.text('done', { usage })
      : reply.tools({ slow: { id: 'one' } }, { usage }),
  );
  const before = service.requests.length;
  await outputs(await twins(30, 'looker', 'Look one up.'));
  expect(service.requests.length - before).toBe(1);
  expect(await leases()).toEqual([]);
});

test('a near call of a tool that is too slow goes on over the queue as the one that makes it', async () => {
  await stopCacheClock(world.database);
  service.conduct(() => ({ thinkMs: 2_300 }));
  world.provider.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? reply.text('done', { usage })
      : reply.tools({ hasty: { id: 'two' } }, { usage }),
  );
  const before = service.requests.length;
  await outputs(await twins(6, 'looker', 'Look two up.'));
  // Near, and then on the queue.
  expect(service.requests.length - before).toBe(2);
});

test('a maker that fails lets one take over, and the others wait on: no two calls are out at once', async () => {
  await stopCacheClock(world.database);
  let out = 0;
  let most = 0;
  let failures = 3;
  world.provider.script(async () => {
    out += 1;
    most = Math.max(most, out);
    await new Promise((resolve) => setTimeout(resolve, 150));
    out -= 1;
    failures -= 1;
    return failures >= 0 ? fault.serverError() : reply.text('at last', { usage });
  });
  const before = world.provider.requests.length;
  const runs = await twins(20, 'keeper', 'Do you fail?');
  expect(new Set(await outputs(runs))).toEqual(new Set(['at last']));
  expect(callsSince(before)).toBe(4);
  expect(most).toBe(1);
  // Others took over while who had failed paused before its next attempt.
  const journals = await Promise.all(runs.map(({ id }) => readJournal(world.database, id)));
  const failed = journals.filter((rows) => rows.some(({ outcome }) => outcome === 'failed'));
  expect(failed.length).toBeGreaterThan(1);
});

test('a halt while it waits ends a run at once, and the maker and the others go on', async () => {
  world.provider.script(() => ({ ...reply.text('for the others', { usage }), thinkMs: 1_800 }));
  const before = world.provider.requests.length;
  const [first, ...others] = await twins(4, 'keeper', 'Who is halted?');
  await followers(others);
  const [lease] = await world.database.query<{ call: string }>({
    text: 'select call from belayer.cache_lease',
  });
  const all = [first, ...others] as readonly Run[];
  const halted = all.find((run) => lease?.call !== `${run.id}/1`);
  await eventually(() => callsSince(before) === 1);
  await halted?.halt('enough');
  expect(await halted?.outcome()).toMatchObject({ kind: 'stopped', because: 'halted' });
  expect(await readJournal(world.database, halted?.id ?? '')).toEqual([]);
  // The provider has not answered yet: it was not waited for.
  expect((await leases()).length).toBe(1);
  // Who waits holds no claim, and nothing is reserved for it.
  const claimed = await world.database.query({
    text: `select from belayer.call where state = 'claimed' or reserved_tokens > 0`,
  });
  expect(claimed).toHaveLength(1);
  await outputs(all.filter((run) => run !== halted));
  expect(callsSince(before)).toBe(1);
});

test('a maker that is halted ends its lease, and one of those who wait takes over', async () => {
  await stopCacheClock(world.database);
  let asked = 0;
  world.provider.script(() => {
    asked += 1;
    return { ...reply.text(`answer ${asked}`, { usage }), thinkMs: asked === 1 ? 60_000 : 50 };
  });
  const runs = await twins(5, 'keeper', 'Who leads?');
  await followers(runs);
  await eventually(() => asked === 1);
  const [lease] = await world.database.query<{ call: string }>({
    text: 'select call from belayer.cache_lease',
  });
  const making = runs.find((run) => lease?.call === `${run.id}/1`);
  await making?.halt('enough');
  const said = await outputs(runs.filter((run) => run !== making));
  expect(new Set(said)).toEqual(new Set(['answer 2']));
  expect(asked).toBe(2);
});

test('a frozen maker that comes back closes its own call, and changes neither entry nor lease', async () => {
  let asked = 0;
  world.provider.script((request) => {
    if (!asks(request, 'Who is frozen?')) return reply.text('other', { usage });
    asked += 1;
    return { ...reply.text(`answer ${asked}`, { usage }), thinkMs: asked === 1 ? 1_500 : 100 };
  });
  const [first] = await twins(1, 'keeper', 'Who is frozen?');
  await eventually(() => asked === 1);
  const frozen = await leader();
  frozen.freeze();
  // Its lease runs out.
  await leaseRunsOut();
  const [second] = await twins(1, 'keeper', 'Who is frozen?');
  // Its workflow task may be given to the frozen worker first, which is then given up.
  expect(await second?.output()).toBe('answer 2');
  const [before] = await world.database.query<{ run: string }>({
    text: 'select run from belayer.cache_entry',
  });
  frozen.thaw();
  expect(await first?.output()).toMatch(/^answer [12]$/);
  const entries = await world.database.query<{ run: string }>({
    text: 'select run from belayer.cache_entry',
  });
  expect(entries).toEqual([before]);
  expect(before?.run).toBe(second?.id);
  expect(asked).toBe(2);
  expect(frozen.errors).not.toMatch(/invariant|unhandled|could not be written/i);
  expect(await leases()).toEqual([]);
});

test('a maker that dies with its call out is followed by one: the provider has two calls', async () => {
  let asked = 0;
  world.provider.script(() => {
    asked += 1;
    return { ...reply.text(`answer ${asked}`, { usage }), thinkMs: asked === 1 ? 60_000 : 500 };
  });
  const runs = await twins(20, 'keeper', 'Who dies?');
  await followers(runs);
  await eventually(() => asked === 1);
  await (await leader()).kill();
  // What would be seen some seconds later.
  await leaseRunsOut();
  const said = await outputs(runs);
  expect(new Set(said)).toEqual(new Set(['answer 2']));
  expect(asked).toBe(2);
  await fresh();
});
