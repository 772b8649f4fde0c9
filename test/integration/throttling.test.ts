/** How many model calls at once and a minute, held against what the provider saw. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Run } from '../../client/index.ts';
import { runProgram } from '../../client/commands/program.ts';
import { fault, reply } from '../../testing/provider/index.ts';
import { aTerminal } from '../support/a-terminal.ts';
import { eventually } from '../support/eventually.ts';
import { moveThrottleClock } from '../support/throttle-clock.ts';
import {
  killWorkerProcesses,
  startWorkerProcess,
  type WorkerProcess,
} from '../support/worker-process.ts';
import { userSaid } from '../support/user-said.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let workers: WorkerProcess[];
beforeAll(async () => {
  world = await createWorld();
  workers = [await startWorkerProcess(world, { app: 'overload' }), await startWorkerProcess(world, { app: 'overload' })]; // prettier-ignore
});
afterAll(async () => {
  await killWorkerProcesses();
  await world?.stop();
});
afterEach(async () => {
  for (const { customer, setBy } of await world.belayer.throttles.show())
    if (setBy !== null)
      await world.belayer.throttles.remove(
        customer === null ? { installation: true } : { customer },
      );
  await moveThrottleClock(world.database, 0);
});

const start = (customer: string, input = 'go', agent: 'clerk' | 'porter' = 'porter') =>
  world.belayer.start(agent, { input, customer });
const many = (customer: string, count: number, agent: 'clerk' | 'porter' = 'porter') =>
  Promise.all(Array.from({ length: count }, (_, n) => start(customer, `${customer}-${n}`, agent)));
const states = async (runs: readonly Run[]): Promise<readonly string[]> =>
  Promise.all(runs.map(async (run) => (await run.status()).state));
const eventsOf = async (run: Run) => {
  const events = [];
  for await (const event of run.watch()) events.push(event);
  return events;
};

test('model calls in flight: of each customer at most so many, by the provider’s count, with sub-steps and retries, and all are made', async () => {
  const atOnce: Record<string, number> = {};
  const most: Record<string, number> = {};
  let allThere = (): void => undefined;
  const there = new Promise<void>((resolve) => (allThere = resolve));
  world.provider.script(async (request) => {
    const [customer = ''] = userSaid(request).split('-');
    atOnce[customer] = (atOnce[customer] ?? 0) + 1;
    most[customer] = Math.max(most[customer] ?? 0, atOnce[customer] ?? 0);
    // The first of them are held until as many are there as may be.
    if (atOnce['acme'] === 2 && atOnce['dear'] === 5 && atOnce['bolt'] === 2) allThere();
    await there;
    await new Promise((resolve) => setTimeout(resolve, 60));
    atOnce[customer] = (atOnce[customer] ?? 0) - 1;
    if (Math.random() < 0.15) return fault.serverError();
    return request.model === 'other-model' || request.messages.some(({ role }) => role === 'tool')
      ? reply.text('done')
      : reply.tools({ look: {} });
  });
  await world.belayer.throttles.set({ customer: '*', modelCalls: 2 });
  await world.belayer.throttles.set({ customer: 'dear', modelCalls: 5 });
  const runs = [...(await many('acme', 8, 'clerk')), ...(await many('dear', 15)), ...(await many('bolt', 4))]; // prettier-ignore
  for (const run of runs) expect(await run.output()).toBe('done');
  expect(most['acme']).toBe(2);
  expect(most['dear']).toBe(5);
  expect(most['bolt']).toBe(2);
  for (const row of await world.belayer.throttles.show()) expect(row).toMatchObject({ modelCallsInFlight: 0, waiting: 0 }); // prettier-ignore
});

test('the command line sets, shows and removes throttles, says who did, and refuses what does not fit', async () => {
  const { temporal, databaseUrl } = world.servers.addresses;
  const belayer = async (...words: string[]) => {
    const terminal = aTerminal({
      folder: world.servers.folder,
      environment: { TEMPORAL_ADDRESS: temporal.address, DATABASE_URL: databaseUrl, USER: 'ann' },
    });
    return { code: await runProgram(['throttle', ...words], terminal), out: terminal.output(), errors: terminal.errors() }; // prettier-ignore
  };
  const set = await belayer('set', '--customer', 'cli', '--runs', '10', '--model-calls', '4', '--requests-per-minute', '60', '--tokens-per-minute', '100000', '--reason', 'a trial'); // prettier-ignore
  expect(set).toMatchObject({ code: 0, out: 'The throttle of customer `cli` is set, by ann.\n' });
  const shown = await belayer('show', '--customer', 'cli', '--json');
  const rows = shown.out.trim().split('\n').map((line) => JSON.parse(line) as object); // prettier-ignore
  expect(rows).toMatchObject([
    { customer: null, runs: 100, setBy: null },
    { customer: 'cli', runs: 10, modelCalls: 4, requestsPerMinute: 60, tokensPerMinute: 100_000, setBy: 'ann', reason: 'a trial' },
  ]); // prettier-ignore
  expect((await belayer('show')).out).toMatch(/cli +.*0 of 10 .*0 of 4 .*60 .*100000/);
  expect((await belayer('set', '--customer', 'cli', '--all', '--runs', '1')).code).toBe(2);
  expect((await belayer('set', '--customer', 'cli', '--runs', '0')).code).toBe(2);
  expect(await belayer('remove', '--customer', 'cli', '--by', 'bob')).toMatchObject({ code: 0 });
  const again = await belayer('remove', '--customer', 'cli');
  expect(again).toMatchObject({ code: 2, errors: expect.stringContaining('no such thing as the throttle of customer `cli`') }); // prettier-ignore
  expect((await belayer('history', '--customer', 'cli')).out).toMatch(/removed.*10 runs, 4 model calls.*bob[^]*set.*ann.*a trial/); // prettier-ignore
});

test('requests a minute: a part at once and the rest evenly, each run waits once, is shown to, and its working time stands still', async () => {
  world.provider.script(() => reply.text('done'));
  // Ten seconds apart, one at once.
  await world.belayer.throttles.set({ customer: 'acme', requestsPerMinute: 6 });
  const from = world.provider.requests.length;
  const runs: Run[] = [];
  for (let n = 0; n < 4; n += 1) runs.push(await start('acme', `r${n}`));
  const others = await many('bolt', 3);
  for (const run of others) await run.output();
  await eventually(async () => (await states(runs)).filter((state) => state === 'throttled').length === 3); // prettier-ignore
  const own = () => world.provider.requests.slice(from).filter(({ body }) => /"r\d"/.test(body));
  expect(own()).toHaveLength(1);
  const [, second] = runs as [Run, Run];
  expect((await world.belayer.throttles.show({ customer: 'acme' }))[1]).toMatchObject({
    waiting: 3,
  });
  // Raised, who waits is told, and the rate is the new one.
  await moveThrottleClock(world.database, 60_000);
  await world.belayer.throttles.set({ customer: 'acme', requestsPerMinute: 600 });
  for (const run of runs) expect(await run.output()).toBe('done');
  expect(own()).toHaveLength(4);
  const waiting = (await Promise.all(runs.map(eventsOf))).flatMap((events) => events.filter(({ kind }) => kind === 'model.throttled')); // prettier-ignore
  expect(waiting).toHaveLength(3);
  expect(waiting[0]).toMatchObject({ position: '1', throttle: 'the throttle of customer `acme`', detail: expect.stringContaining('6 requests a minute') }); // prettier-ignore
  expect((await second.status()).outcome).toMatchObject({ kind: 'done' });
});

test('two customers under load: who sends much waits for its own turns, and the other’s calls are made meanwhile', async () => {
  const order: string[] = [];
  world.provider.script(async (request) => {
    order.push(userSaid(request));
    await new Promise((resolve) => setTimeout(resolve, 30));
    return reply.text('done');
  });
  await world.belayer.throttles.set({ customer: '*', requestsPerMinute: 60, modelCalls: 3 });
  const acme = await many('acme', 12);
  await eventually(() => Promise.resolve(order.length >= 3));
  const bolt = await many('bolt', 4);
  for (const run of bolt) await run.output();
  // All of the other's are made while the first customer's are not half through.
  const boltsLast = order.lastIndexOf(order.filter((name) => name.startsWith('bolt')).at(-1) ?? '');
  expect(order.slice(0, boltsLast).filter((name) => name.startsWith('acme')).length).toBeLessThan(
    11,
  );
  await world.belayer.throttles.remove({ customer: '*' });
  for (const run of acme) expect(await run.output()).toBe('done');
});

test('tokens a minute: by the worst case at first, and what was not used comes back', async () => {
  world.provider.script(() => reply.text('done'));
  await start('token', 'go').then((run) => run.output());
  // A quarter of it at once; each call may use some 130 tokens, and uses a third of that.
  await world.belayer.throttles.set({ customer: 'token', tokensPerMinute: 1_600 });
  const from = world.provider.requests.length;
  for (let n = 0; n < 5; n += 1) await (await start('token', `t${n}`)).output();
  expect(world.provider.requests.slice(from)).toHaveLength(5);
  await world.belayer.throttles.set({ customer: 'token', tokensPerMinute: 40 });
  // Larger than what may be had at once: alone, when nothing is owed.
  await (await start('token', 'large')).output();
  const next = await start('token', 'next');
  await eventually(async () => (await next.status()).state === 'throttled');
  await next.halt('enough');
  expect(await next.outcome()).toMatchObject({ because: 'halted' });
});

test('a throttled run can be halted, paused and resumed, and a pause outlasts its turn', async () => {
  world.provider.script(() => reply.text('done'));
  await world.belayer.throttles.set({ customer: 'acme', requestsPerMinute: 1 });
  await (await start('acme', 'first')).output();
  const [halted, paused] = (await many('acme', 2)) as [Run, Run];
  await eventually(async () => (await states([halted, paused])).every((state) => state === 'throttled')); // prettier-ignore
  await halted.halt('enough');
  expect(await halted.outcome()).toMatchObject({ kind: 'stopped', because: 'halted' });
  await paused.pause('a closer look');
  await world.belayer.throttles.remove({ customer: 'acme' });
  await eventually(async () => (await paused.status()).state === 'paused');
  await paused.resume();
  expect(await paused.output()).toBe('done');
});

test('kill -9 of a worker with calls in flight: what they held comes back, and every run ends', async () => {
  let isStuck = true;
  let atOnce = 0;
  world.provider.script(async () => {
    atOnce += 1;
    for (let n = 0; isStuck && n < 200; n += 1) await new Promise((resolve) => setTimeout(resolve, 50)); // prettier-ignore
    atOnce -= 1;
    return reply.text('done');
  });
  await world.belayer.throttles.set({ customer: 'acme', modelCalls: 3 });
  const runs = await many('acme', 6);
  await eventually(() => Promise.resolve(atOnce === 3));
  for (const worker of workers) await worker.kill();
  isStuck = false;
  workers = [await startWorkerProcess(world, { app: 'overload' }), await startWorkerProcess(world, { app: 'overload' })]; // prettier-ignore
  for (const run of runs) expect(await run.output()).toBe('done');
  expect((await world.belayer.throttles.show({ customer: 'acme' }))[1]).toMatchObject({
    modelCallsInFlight: 0,
  });
});

test('a storm of 429s: two workers ask that model less often, another model as before, and both recover', async () => {
  let isStorm = true;
  const taken: number[] = [];
  let refused = 0;
  world.provider.script((request) => {
    if (request.model === 'other-model') return reply.text('done');
    const isDone = request.messages.some(({ role }) => role === 'tool');
    const now = performance.now();
    if (isStorm && taken.filter((at) => at > now - 1_000).length >= 4) {
      refused += 1;
      return fault.rateLimited();
    }
    taken.push(now);
    return isDone ? reply.text('done') : reply.tools({ look: {} });
  });
  const runs = await many('acme', 24, 'clerk');
  await eventually(async () => (await world.belayer.throttles.providers()).length === 1);
  const [rate] = await world.belayer.throttles.providers();
  expect(rate).toMatchObject({ provider: world.provider.baseURL, model: 'test-model' });
  expect(rate?.perMinute).toBeLessThan(rate?.refusedPerMinute ?? 0);
  // Another model of the same provider is not slowed.
  for (const run of await many('bolt', 5))
    expect((await eventsOf(run)).map(({ kind }) => kind)).not.toContain('model.throttled');
  await eventually(async () => (await states(runs)).filter((state) => state === 'throttled').length > 12); // prettier-ignore
  const asked = taken.length + refused;
  const inStorm = refused;
  await eventually(() => Promise.resolve(taken.length + refused >= asked + 3));
  // Those that wait come one by one: the provider has nothing more to refuse.
  expect(refused - inStorm).toBeLessThan(3);
  expect((await world.belayer.throttles.providers())[0]?.waiting).toBeGreaterThan(6);
  isStorm = false;
  // It went well for long enough: whoever looks next finds it, and those that wait are told.
  await moveThrottleClock(world.database, 200_000);
  const late = await many('late', 10, 'clerk');
  for (const run of late) expect((await eventsOf(run)).map(({ kind }) => kind)).not.toContain('model.throttled'); // prettier-ignore
  for (const run of runs) expect(await run.output()).toBe('done');
  expect(await world.belayer.throttles.providers()).toEqual([]);
});
