/** Which runs may be in flight, and whose turn is next. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Run } from '../../client/index.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { setRunsInFlight } from '../../storage/admission.ts';
import type { AgentWorker } from '../../workers/agent-worker.ts';
import { eventually } from '../support/eventually.ts';
import { userSaid } from '../support/user-said.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let worker: AgentWorker;
const pay = defineTool({
  name: 'pay',
  description: 'Pay.',
  effect: 'read',
  input: z.object({}),
  approval: 'always',
  run: () => 'paid',
});
const limits = { outputTokens: 100 } as const;
const clerk = defineAgent({ name: 'clerk', instructions: 'Work.', tools: [pay], limits });
const boss = defineAgent({
  name: 'boss',
  instructions: 'Delegate.',
  tools: [clerk.asTool()],
  limits,
});
const talker = defineAgent({ name: 'talker', instructions: 'Talk.', session: {}, limits });
const app = defineApp({ agents: [clerk, boss, talker] });

/** Calls stand at this gate until it opens; who came is noted by what the run was asked. */
let gate: { open: () => void; readonly opened: Promise<void> };
let asked: string[] = [];
let atOnce = 0;
let atOnceMost = 0;
function shut(): void {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  gate = { open, opened };
}

beforeAll(async () => {
  world = await createWorld();
  worker = await world.work(app);
  world.provider.script(async (request) => {
    asked.push(userSaid(request));
    atOnce += 1;
    atOnceMost = Math.max(atOnceMost, atOnce);
    await gate.opened;
    atOnce -= 1;
    return reply.text(`done ${userSaid(request)}`);
  });
});
afterAll(() => world?.stop());
afterEach(async () => {
  gate.open();
  for (const { customer, setBy } of await world.belayer.throttles.show())
    if (setBy !== null)
      await world.belayer.throttles.remove(
        customer === null ? { installation: true } : { customer },
      );
  await eventually(async () => (await world.belayer.runs({ open: true })).length === 0);
  asked = [];
  atOnceMost = 0;
});

const start = (customer: string | undefined, input: string, agent: 'clerk' | 'boss' = 'clerk') =>
  world.belayer.start(agent, { input, ...(customer === undefined ? {} : { customer }) });
const stateOf = async (run: Run): Promise<string> => (await run.status()).state;
const reached = (count: number) => eventually(() => Promise.resolve(asked.length >= count));
const kindsOf = async (run: Run): Promise<readonly string[]> => {
  const kinds: string[] = [];
  for await (const event of run.watch()) kinds.push(event.kind);
  return kinds;
};

test('runs beyond the limit are on record and queued, start in their order as others end, and never is one too many in flight', async () => {
  shut();
  await world.belayer.throttles.set({ installation: true, runs: 3 });
  const runs: Run[] = [];
  for (let n = 1; n <= 8; n += 1) runs.push(await start(undefined, `r${n}`));
  await reached(3);
  expect(await Promise.all(runs.map(stateOf))).toEqual(['running', 'running', 'running', ...Array.from({ length: 5 }, () => 'queued')]); // prettier-ignore
  const [row] = await world.belayer.throttles.show();
  expect(row).toMatchObject({ customer: null, runs: 3, runsInFlight: 3, runsQueued: 5 });
  expect(asked.toSorted()).toEqual(['r1', 'r2', 'r3']);
  gate.open();
  for (const [index, run] of runs.entries()) expect(await run.output()).toBe(`done r${index + 1}`);
  expect(atOnceMost).toBe(3);
  expect(await kindsOf(runs[7] as Run)).toEqual(['run.started', 'run.queued', 'run.admitted', 'model.replied', 'run.ended']); // prettier-ignore
  expect(await kindsOf(runs[0] as Run)).toEqual(['run.started', 'model.replied', 'run.ended']);
});

test('customers take turns: whoever has a thousand queued runs delays another’s first by one place, and its own stay in order', async () => {
  shut();
  await world.belayer.throttles.set({ installation: true, runs: 1 });
  const first = await start('acme', 'a0');
  await reached(1);
  const acme: Run[] = [];
  for (let n = 1; n <= 6; n += 1) acme.push(await start('acme', `a${n}`));
  const bolt = [await start('bolt', 'b1'), await start('bolt', 'b2')];
  const corp = [await start('corp', 'c1')];
  gate.open();
  await Promise.all([first, ...acme, ...bolt, ...corp].map((run) => run.outcome()));
  expect(asked.indexOf('b1')).toBeLessThanOrEqual(3);
  expect(asked.indexOf('c1')).toBeLessThanOrEqual(3);
  expect(asked.filter((name) => name.startsWith('a'))).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6']); // prettier-ignore
  expect(asked.indexOf('b2')).toBeLessThanOrEqual(5);
});

test('a customer at its own limit keeps nobody else waiting, and one customer never has all places', async () => {
  shut();
  await world.belayer.throttles.set({ customer: '*', runs: 2 });
  await world.belayer.throttles.set({ customer: 'dear', runs: 3 });
  const of = async (customer: string, count: number) => {
    for (let n = 1; n <= count; n += 1) await start(customer, `${customer}${n}`);
  };
  await of('acme', 4);
  await of('dear', 5);
  await of('bolt', 1);
  await reached(6);
  const inFlight = (await world.belayer.runs({ open: true })).filter(({ state }) => state === 'running'); // prettier-ignore
  expect(inFlight.map(({ customer }) => customer).toSorted()).toEqual(['acme', 'acme', 'bolt', 'dear', 'dear', 'dear']); // prettier-ignore
  // Raised, it holds for those that queue.
  await world.belayer.throttles.set({ customer: 'acme', runs: 4 });
  await reached(8);
  gate.open();
  await eventually(async () => (await world.belayer.runs({ open: true })).length === 0);
  shut();
  asked = [];
  for (const customer of ['*', 'dear', 'acme']) await world.belayer.throttles.remove({ customer });
  await world.belayer.throttles.set({ installation: true, runs: 4 });
  await of('acme', 6);
  await reached(3);
  await of('bolt', 1);
  await reached(4);
  expect(asked).toContain('bolt1');
  expect(asked).toHaveLength(4);
});

test('a halt ends a queued run without a start, and so does a flag over its customer', async () => {
  shut();
  await world.belayer.throttles.set({ installation: true, runs: 1 });
  const first = await start('bolt', 'first');
  await reached(1);
  const alone = await start('acme', 'alone');
  const receipt = await alone.halt('not needed', { by: 'ann' });
  expect(receipt).toMatchObject({ flagged: true, note: expect.stringContaining('queued') });
  expect(await alone.outcome()).toMatchObject({ kind: 'stopped', because: 'halted', detail: 'not needed' }); // prettier-ignore
  expect(await kindsOf(alone)).toEqual(['run.started', 'run.queued', 'run.halting', 'run.ended']);
  const forced = await start('acme', 'forced');
  expect(await forced.halt('at once', { force: true })).toMatchObject({ ended: 'by-force', terminated: [], outcome: { because: 'halted' } }); // prettier-ignore
  await expect(alone.halt('again')).rejects.toMatchObject({ type: 'DecisionRejected' });
  const covered = [await start('acme', 'x1'), await start('acme', 'x2')];
  await world.belayer.stop({ customer: 'acme' }, { reason: 'unpaid' });
  for (const run of covered)
    expect(await run.outcome()).toMatchObject({ because: 'halted', detail: 'unpaid' });
  await world.belayer.lift({ customer: 'acme' }, { reason: 'paid' });
  gate.open();
  await first.output();
  expect(asked).toEqual(['first']);
  expect((await world.belayer.throttles.show())[0]).toMatchObject({ runsQueued: 0 });
  const [left] = await world.database.query({ text: 'select from belayer.archive where due_at is not null and run_no = (select no from belayer.run where id = $1)' }, [alone.id]); // prettier-ignore
  expect(left).toBeUndefined();
});

test('a run that waits for a human leaves its place, and goes on without queueing', async () => {
  shut();
  gate.open();
  await world.belayer.throttles.set({ installation: true, runs: 1 });
  world.provider.script((request) => {
    asked.push(userSaid(request));
    const isPaid = request.messages.some(({ role }) => role === 'tool');
    return userSaid(request) === 'pay' && !isPaid ? reply.tools({ pay: {} }) : reply.text('done');
  });
  const asks = await start('acme', 'pay');
  await eventually(async () => (await asks.requests()).some(({ state }) => state === 'open'));
  const other = await start('acme', 'other');
  expect(await other.output()).toBe('done');
  const [request] = await asks.requests();
  await asks.approve(request?.position ?? '');
  expect(await asks.output()).toBe('done');
  expect(await kindsOf(asks)).not.toContain('run.queued');
});

test('a sub-agent has its parent’s place, a key gives the queued run again, and a full queue is refused', async () => {
  await world.belayer.throttles.set({ installation: true, runs: 1 });
  world.provider.script((request) => {
    const isDone = request.messages.some(({ role }) => role === 'tool');
    return request.tools?.some((tool) => tool.function.name === 'clerk') === true && !isDone
      ? reply.tools({ clerk: { input: 'inner' } })
      : reply.text('done');
  });
  const run = await start('acme', 'outer', 'boss');
  expect(await run.output()).toBe('done');
  shut();
  world.provider.script(async () => {
    await gate.opened;
    return reply.text('done');
  });
  await start('acme', 'holds');
  const keyed = { input: 'same', customer: 'acme', key: 'k1' };
  const queued = await world.belayer.start('clerk', keyed);
  const again = await world.belayer.start('clerk', keyed);
  expect(again.id).toBe(queued.id);
  expect(await stateOf(again)).toBe('queued');
  // As far as its start can see, the queue is full.
  await world.database.query({ text: `update belayer.run_queue set queued = queued + 20000` });
  await expect(start('acme', 'too many')).rejects.toMatchObject({
    type: 'AdmissionRefused',
    message: expect.stringMatching(/20001 runs of customer `acme` are queued already.*20000 may queue/), // prettier-ignore
  });
  expect((await world.belayer.start('clerk', keyed)).id).toBe(queued.id);
  await world.database.query({ text: `update belayer.run_queue set queued = queued - 20000` });
  gate.open();
  expect(await queued.output()).toBe('done');
});

test('a session that queues takes further messages when its turn has come', async () => {
  shut();
  await world.belayer.throttles.set({ installation: true, runs: 1 });
  await start('acme', 'holds');
  const message = { session: 's1', customer: 'acme' };
  const first = await world.belayer.send('talker', { ...message, message: 'hello', id: 'm1' });
  expect(await stateOf(first.run)).toBe('queued');
  const second = world.belayer.send('talker', { ...message, message: 'more', id: 'm2' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await stateOf(first.run)).toBe('queued');
  gate.open();
  expect((await second).run.id).toBe(first.run.id);
  await (await second).output();
  await first.run.halt('over');
  await first.run.outcome();
});

test('300 starts at once: all are on record, no more than the limit is in flight, and all finish, though workers are replaced meanwhile', async () => {
  await setRunsInFlight(world.database, 20);
  shut();
  gate.open();
  world.provider.script(async () => {
    atOnce += 1;
    atOnceMost = Math.max(atOnceMost, atOnce);
    await new Promise((resolve) => setTimeout(resolve, 5));
    atOnce -= 1;
    return reply.text('done');
  });
  const runs = await Promise.all(Array.from({ length: 300 }, (_, n) => start(`c${n % 7}`, 'go')));
  expect(await world.belayer.runs({ open: true, limit: 1_000 })).not.toHaveLength(0);
  await worker.stop();
  worker = await world.work(app);
  const outcomes = await Promise.all(runs.map((run) => run.outcome()));
  expect(outcomes.every(({ kind }) => kind === 'done')).toBe(true);
  expect(atOnceMost).toBeLessThanOrEqual(20);
  await world.database.query({ text: 'update belayer.admission set runs = null' });
});
