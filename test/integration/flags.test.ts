/** Stop flags of every scope: what they stop, how soon, and who finishes what a dead setter began. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Run } from '../../client/index.ts';
import { limits } from '../../contracts/limits.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { openLedger } from '../../storage/ledger.ts';
import { noteHaltSent, readFlagChanges, takeToHalt } from '../../storage/stop-flags.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
const refund = defineTool({
  name: 'refund',
  description: 'Refund an order.',
  effect: 'write',
  repeat: 'keyed',
  approval: 'always',
  input: z.object({ id: z.string() }),
  run: () => 'refunded',
});
const look = defineTool({
  name: 'look',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({}),
  run: () => 'shipped',
});
const charge = defineTool({
  name: 'charge',
  description: 'Charge once more.',
  effect: 'write',
  repeat: 'keyed',
  input: z.object({ n: z.number() }),
  run: () => 'charged',
});
const tools = [refund, look, charge];
const clerk = defineAgent({ name: 'clerk', instructions: 'Refund.', tools });
const helper = defineAgent({
  name: 'helper',
  instructions: 'Help.',
  tools: [look],
});
const boss = defineAgent({
  name: 'boss',
  instructions: 'Delegate.',
  tools: [helper.asTool({ description: 'Helps.' })],
});

beforeAll(async () => {
  world = await createWorld();
  await world.work(defineApp({ agents: [clerk, helper, boss] }));
});
afterAll(async () => world?.stop());
afterEach(async () => {
  for (const { scope, subject } of await world.belayer.flags())
    if (scope !== 'run')
      await world.belayer.lift(
        scope === 'installation' ? { installation: true } : { [scope]: subject },
        { reason: 'the test is over' },
      );
});

const asksFirst = () =>
  world.provider.script(({ messages }) =>
    messages.some(({ role }) => role === 'tool')
      ? reply.text('done')
      : reply.tools({ refund: { id: 'A' } }),
  );
const waiting = (run: Run) =>
  eventually(async () => (await run.requests()).some(({ state }) => state === 'open'));
const halted = (detail: string) => ({ kind: 'stopped', because: 'halted', detail });

test('a flag over a customer ends its runs, those that wait for a human too, and no other customer’s', async () => {
  asksFirst();
  const acme = [1, 2, 3].map(() => world.belayer.start('clerk', { input: 'go', customer: 'acme' }));
  const other = await world.belayer.start('clerk', { input: 'go', customer: 'globex' });
  const runs = await Promise.all(acme);
  await Promise.all([...runs, other].map(waiting));
  const progress: object[] = [];
  const report = await world.belayer.stop(
    { customer: 'acme' },
    { reason: 'fraud', by: 'ann', onProgress: (now) => progress.push(now) },
  );
  expect(report).toEqual({ isNew: true, halted: 3, of: 3 });
  expect(progress).toEqual([
    { halted: 0, of: 3 },
    { halted: 3, of: 3 },
  ]);
  for (const run of runs) {
    expect(await run.outcome()).toEqual(halted('fraud'));
    expect((await run.requests())[0]).toMatchObject({ state: 'withdrawn' });
  }
  expect(await other.status()).toMatchObject({ state: 'waiting', openRequests: 1 });
  await other.approve('1.1/approval');
  expect(await other.output()).toBe('done');
});

test('under a flag a start is refused with who, why and since when; a run that exists is given; a lift lets start again', async () => {
  world.provider.script(() => reply.text('hello'));
  const before = await world.belayer.start('clerk', { input: 'go', customer: 'acme', key: 'K' });
  await before.output();
  await world.belayer.stop({ customer: 'acme' }, { reason: 'fraud', by: 'ann' });
  const start = (options: object) =>
    world.belayer.start('clerk', { input: 'go', customer: 'acme', ...options });
  await expect(start({})).rejects.toMatchObject({
    type: 'StartStopped',
    message: expect.stringMatching(
      /^Customer `acme` is stopped: fraud \(by ann since 20.*Z\)\. `belayer lift --customer acme --reason "\.\.\."` lifts it\. Nothing was started\.$/,
    ),
  });
  expect((await start({ key: 'K' })).id).toBe(before.id);
  await expect(start({ key: 'K', input: 'other' })).rejects.toMatchObject({ type: 'KeyReused' });
  await expect(start({ key: 'L' })).rejects.toMatchObject({ type: 'StartStopped' });
  await world.belayer.lift({ customer: 'acme' }, { reason: 'cleared', by: 'bob' });
  expect(await (await start({ key: 'L' })).output()).toBe('hello');
  expect((await readFlagChanges(world.database)).slice(0, 2)).toMatchObject([
    { action: 'lifted', scope: 'customer', subject: 'acme', reason: 'cleared', by: 'bob' },
    { action: 'set', scope: 'customer', subject: 'acme', reason: 'fraud', by: 'ann' },
  ]);
});

test('right after a lift, calls that rely on the worker’s copy of the flags run', async () => {
  world.provider.script(({ messages }) =>
    messages.some(({ role }) => role === 'tool') ? reply.text('ok') : reply.tools({ look: {} }),
  );
  for (let round = 0; round < 5; round += 1) {
    await world.belayer.stop({ agent: 'clerk' }, { reason: 'wrong prices' });
    await world.belayer.lift({ agent: 'clerk' }, { reason: 'mended' });
    const run = await world.belayer.start('clerk', { input: 'go' });
    expect(await run.output()).toBe('ok');
  }
});

test('the installation’s flag stops everything; it is set once, keeps its first words, and lifts once', async () => {
  asksFirst();
  const run = await world.belayer.start('clerk', { input: 'go', customer: 'globex' });
  await waiting(run);
  const everything = { installation: true } as const;
  expect(await world.belayer.stop(everything, { reason: 'outage', by: 'ann' })).toMatchObject({
    isNew: true,
  });
  expect(await world.belayer.stop(everything, { reason: 'again', by: 'bob' })).toMatchObject({
    isNew: false,
    halted: 0,
  });
  expect(await run.outcome()).toEqual(halted('outage'));
  expect(await world.belayer.flags()).toMatchObject([
    { scope: 'installation', subject: '', reason: 'outage', by: 'ann' },
  ]);
  await expect(world.belayer.start('boss', { input: 'go' })).rejects.toMatchObject({
    message: expect.stringContaining('The whole installation is stopped: outage'),
  });
  await world.belayer.lift(everything, { reason: 'over' });
  await expect(world.belayer.lift(everything, { reason: 'over' })).rejects.toMatchObject({
    type: 'InputRejected',
    message: expect.stringContaining('not stopped'),
  });
});

test('a stopped sub-agent is a refusal that its caller can reason about', async () => {
  world.provider.script(({ messages }) =>
    messages.some(({ role }) => role === 'tool')
      ? reply.text('went on alone')
      : reply.tools({ helper: { input: 'help' } }),
  );
  await world.belayer.stop({ agent: 'helper' }, { reason: 'it lies' });
  const run = await world.belayer.start('boss', { input: 'go' });
  expect(await run.output()).toBe('went on alone');
  const told = world.provider.requests.at(-1)?.body ?? '';
  expect(told).toContain('halted');
  expect(told).toContain('it lies');
  expect(await run.status()).toMatchObject({ reservedMicroUsd: 0 });
});

test('no claim and no start commits after a flag’s return, however many are under way', async () => {
  world.provider.script(({ messages }) =>
    messages.length > 40 ? reply.text('done') : reply.tools({ charge: { n: messages.length } }),
  );
  const starts = Array.from({ length: 30 }, () =>
    world.belayer.start('clerk', { input: 'go', customer: 'busy' }),
  );
  await Promise.all(starts);
  await eventually(async () => (await callsOf('busy')).length > 60);
  const racing = Array.from({ length: 200 }, (_, index) =>
    new Promise((resolve) => setTimeout(resolve, index)).then(() =>
      world.belayer
        .start('clerk', { input: 'go', customer: 'busy' })
        .then(() => 'started')
        .catch((error: { type: string }) => error.type),
    ),
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  await openLedger(world.database).raiseFlag('customer', 'busy', 'enough', 'ann');
  const [row] = await world.database.query<{ now: Date }>({
    text: 'select clock_timestamp() as now',
  });
  const [calls, attempts] = [await callsOf('busy'), await attemptsOf('busy')];
  const starting = await Promise.all(racing);
  expect(new Set(starting)).toEqual(new Set(['started', 'StartStopped']));
  await eventually(async () => (await openOf('busy')) === 0);
  // What was claimed at the flag's return is all that ever was.
  expect(await callsOf('busy')).toEqual(calls);
  expect(await attemptsOf('busy')).toBeGreaterThanOrEqual(attempts);
  const [late] = await world.database.query<{ claims: number; starts: number }>(
    {
      text: `select (select count(*) from belayer.call c join belayer.run r on r.no = c.run_no
          where r.customer = 'busy' and c.claimed_at > $1) as claims,
        (select count(*) from belayer.run where customer = 'busy' and created_at > $1) as starts`,
    },
    [row?.now],
  );
  expect(late).toEqual({ claims: 0, starts: 0 });
  process.stderr.write(
    `${calls.length} calls were claimed before the flag, none after; ${starting.filter((said) => said === 'started').length} of 200 racing starts came before it\n`,
  );
});

test('what a setter that died had begun, a worker’s sweep finishes, each run once', async () => {
  asksFirst();
  const runs = await Promise.all(
    [1, 2, 3].map(() => world.belayer.start('clerk', { input: 'go', customer: 'left' })),
  );
  await Promise.all(runs.map(waiting));
  // It set the flag, and told nobody; one run it had taken.
  await openLedger(world.database).raiseFlag('customer', 'left', 'gone', 'ann');
  const flaggedAt = Date.now();
  for (const run of runs) expect(await run.outcome()).toEqual(halted('gone'));
  const tookMs = Date.now() - flaggedAt;
  process.stderr.write(`a sweep ended waiting runs ${tookMs} ms after the flag\n`);
  expect(tookMs).toBeLessThan((limits.haltSweepOlderThanMs + limits.haltSweepEveryMs) * 5);
  const rows = await world.database.query<{ sent_at: Date | null }>({
    text: `select s.sent_at from belayer.halt_sent s join belayer.run r on r.no = s.run_no where r.customer = 'left'`,
  });
  expect(rows).toHaveLength(3);
  expect(rows.every((row) => row.sent_at !== null)).toBe(true);
});

test('two who take runs to tell never take the same one', async () => {
  // Rows of runs without workflows: nothing but the taking is at stake.
  await world.database.query({
    text: `insert into belayer.run (id, agent, customer, definition, input_hash)
      select 'made-' || n, 'clerk', 'many', (select hash from belayer.definition limit 1), 'x' from generate_series(1, 250) n`,
  });
  const flag = { scope: 'customer', subject: 'many' } as const;
  await openLedger(world.database).raiseFlag(flag.scope, flag.subject, 'test', 'ann');
  const taken: string[] = [];
  const take = async (): Promise<void> => {
    for (let empty = 0; empty < 3;) {
      const batch = await takeToHalt(world.database, flag);
      expect(batch.length).toBeLessThanOrEqual(limits.haltBatchRunsMax);
      if (batch.length === 0) empty += 1;
      taken.push(...batch.map(({ run }) => run));
      await noteHaltSent(world.database, batch);
    }
  };
  await Promise.all([take(), take(), take(), take()]);
  expect(taken).toHaveLength(250);
  expect(new Set(taken).size).toBe(250);
  await world.database.query({ text: `delete from belayer.run where customer = 'many'` });
});

test.each([
  [{}, /given: none/],
  [{ customer: 'a', agent: 'b' }, /given: customer, agent/],
  [{ customer: '' }, /an empty string/],
  [{ customer: 'x'.repeat(129) }, /129 characters/],
  [{ installation: false }, /must be true/],
  [{ tenant: 'a' }, /`tenant`.*known are customer, agent, installation/],
  [{ run: 'clerk-1' }, /cannot be lifted/],
])('%j is refused as a scope', async (target, message) => {
  const options = { reason: 'x' };
  await expect(world.belayer.stop(target as never, options)).rejects.toMatchObject({
    type: 'InputRejected',
    message: expect.stringMatching(message),
  });
  await expect(world.belayer.lift(target as never, options)).rejects.toMatchObject({
    type: 'InputRejected',
  });
});

test('an agent that nobody published is not stopped in silence, and every stop has a reason', async () => {
  await expect(world.belayer.stop({ agent: 'clrek' }, { reason: 'x' })).rejects.toMatchObject({
    type: 'AgentUnknown',
  });
  await expect(world.belayer.stop({ agent: 'clerk' }, { reason: ' ' })).rejects.toMatchObject({
    type: 'InputRejected',
  });
  expect(await world.belayer.flags()).toEqual([]);
});

const callsOf = (customer: string) =>
  world.database.query<{ run: string; position: string }>(
    {
      text: `select r.id as run, c.position from belayer.call c join belayer.run r on r.no = c.run_no
        where r.customer = $1 order by r.no, c.first_claimed_at, c.position`,
    },
    [customer],
  );

async function attemptsOf(customer: string): Promise<number> {
  const [row] = await world.database.query<{ count: number }>(
    {
      text: `select count(*) from belayer.attempt a join belayer.run r on r.no = a.run_no where r.customer = $1`,
    },
    [customer],
  );
  return row?.count ?? 0;
}

async function openOf(customer: string): Promise<number> {
  const rows = await world.belayer.runs({ customer, open: true, limit: 1_000 });
  return rows.length;
}
