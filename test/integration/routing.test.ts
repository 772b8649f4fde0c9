/** Which model a call is made with and why, and runs that end before their model says so: real runs, end to end. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Readable } from 'node:stream';
import { eventLine } from '../../client/commands/event-line.ts';
import { attemptLine } from '../../client/commands/run-text.ts';
import type { Run } from '../../client/index.ts';
import { importRecording } from '../../client/recordings/import-recording.ts';
import type { RunEvent } from '../../contracts/events.ts';
import { openDatabase } from '../../storage/database.ts';
import { migrate } from '../../storage/migrate.ts';
import { type AttemptRow, readJournal } from '../../storage/reading-runs.ts';
import { readRecording } from '../../storage/recordings/read-recording.ts';
import { fault, reply } from '../../testing/index.ts';
import { type Reruns, startReruns } from '../../testing/rerun/rerun.ts';
import { eventually } from '../support/eventually.ts';
import { eventsOf, expectSound, lastMessages } from '../support/forks.ts';
import { recordingOf } from '../support/recording-of.ts';
import { asked, routedApp, routedAppOf } from '../support/routed-app.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let reruns: Reruns;
beforeAll(async () => {
  world = await createWorld();
  await world.work(routedApp);
  reruns = await startReruns(routedApp, { environment: {} });
});
afterAll(async () => {
  await reruns?.close();
  await world?.stop();
});
let before = 0;
beforeEach(() => {
  Object.assign(asked, { route: 0, check: 0, stopWhen: 0, order: 0 });
  before = world.provider.requests.length;
});

const start = (agent: string, input: unknown, more: { readonly customer?: string } = {}) =>
  world.belayer.start(agent as never, { input: input as never, ...more });
/** The models that were asked since the test began, in order. */
const models = (): readonly string[] =>
  world.provider.requests
    .slice(before)
    .map(({ body }) => (JSON.parse(body) as { readonly model: string }).model);
const journal = async (run: Run): Promise<readonly AttemptRow[]> =>
  (await readJournal(world.database, run.id)).filter(({ kind }) => kind === 'model');
const replied = async (run: Run) =>
  (await eventsOf(run)).filter(
    (event): event is Extract<RunEvent, { kind: 'model.replied' }> =>
      event.kind === 'model.replied',
  );

/** It replays strictly, its prompts are whole, and a rerun without models comes to the same. */
async function expectSame(
  run: Run,
  prompts = world.provider.requests.length - before,
): Promise<void> {
  await expectSound(world, run, prompts);
  const sent = world.provider.requests.length;
  const result = await reruns.rerun(readRecording(await recordingOf(world, run.id)));
  expect(result).toMatchObject({ verdict: 'unchanged' });
  expect(result.decision).toBeUndefined();
  expect(world.provider.requests).toHaveLength(sent);
}

describe('a route', () => {
  test('chooses each step’s model from the input and the state, and the journal says why and what it saved', async () => {
    world.provider.script([reply.tools({ order: { id: 'A-1' } }), reply.tools({ order: {} }), reply.text('Shipped.')]); // prettier-ignore
    const run = await start('router', { mail: 'A mail of more than twenty characters' }, { customer: 'acme' }); // prettier-ignore
    expect(await run.output()).toBe('Shipped.');
    expect(models()).toEqual(['dear-model', 'test-model', 'dear-model']);
    expect((await journal(run)).map(({ tier, choice }) => [tier, choice])).toEqual([
      ['large', 'route: long mail'],
      ['small', 'first tier'],
      ['large', 'route: 1 failed after small'],
    ]);
    const [first, second] = await journal(run);
    expect(first?.saved).toBeNull();
    const { costMicroUsd = 0, saved } = second ?? {};
    // Ten times the price: the same tokens would have cost ten times as much, up to the rounding of a call.
    expect(saved?.routing).toBeGreaterThan(8 * costMicroUsd);
    expect(saved?.routing).toBeLessThanOrEqual(9 * costMicroUsd);
    expect((await replied(run))[0]).toMatchObject({ tier: 'large', because: 'route: long mail' });
    expect(asked.route).toBe(3);
    await expectSame(run);
  });

  test('is asked once for a step, whatever the model’s attempts come to and whichever worker goes on', async () => {
    const other = await world.work(routedApp, { taskQueue: 'moving' });
    const client = await world.clientOn('moving');
    world.provider.script([fault.rateLimited({ retryAfterMs: 1 }), reply.tools({ pay: { amount: 1 } }), reply.text('Paid.')]); // prettier-ignore
    const run = await client.start('router' as never, { input: { mail: 'Pay.' } as never });
    const open = await eventually(async () => (await run.requests()).find(({ state }) => state === 'open')); // prettier-ignore
    expect(asked.route).toBe(1);
    await other.stop();
    const next = await world.work(routedApp, { taskQueue: 'moving' });
    await run.approve(open.position);
    expect(await run.output()).toBe('Paid.');
    await next.stop();
    // The new worker replayed the first step from its history.
    expect(asked.route).toBe(2);
    await expectSame(run);
  });

  test('that names no tier fails the run by its name, and no model is asked', async () => {
    const run = await start('router', { mail: 'nowhere' });
    expect(await run.outcome()).toMatchObject({
      kind: 'failed',
      failure: {
        type: 'FunctionFailed',
        message:
          '`route` of agent `router` said "medium", which is none of its tiers: small, large.',
      },
    });
    expect(models()).toEqual([]);
  });

  test('to a model that cannot be reached goes on with the next tier, then with the fallbacks, and says so', async () => {
    world.provider.script((request) =>
      request.model === 'other-model'
        ? reply.text('At last.')
        : fault.rateLimited({ retryAfterMs: 1 }),
    );
    const run = await start('near-router', { mail: 'Hello.' });
    expect(await run.output()).toBe('At last.');
    const rows = await journal(run);
    expect([...new Set(rows.map(({ position, tier, choice }) => `${position} ${tier} ${choice}`))]).toEqual([
      '1 small route',
      '1/fallback-1 large fallback: small failed with ModelRateLimited',
      '1/fallback-2 null fallback: large failed with ModelRateLimited',
    ]); // prettier-ignore
    await expectSound(world, run, rows.length);
  });
});

const small = (request: { readonly model: string }): boolean => request.model === 'test-model';

describe('a cascade', () => {
  test.each([
    ['does not fit', reply.text('no json'), 'up: misfit: Your reply is not valid JSON.'],
    ['does not pass the check', reply.json({ text: 'rude', sure: 1 }), 'up: check: Say it politely to Hi (small).'], // prettier-ignore
    ['is not sure enough', reply.json({ text: 'perhaps', sure: 0.4 }), 'up: confidence 0.4 is under 0.8'], // prettier-ignore
  ])(
    'asks the larger model the same where a reply %s, which never hears of it',
    async (_, said, why) => {
      world.provider.script((request) => (small(request) ? said : reply.json({ text: 'yes', sure: 0.9 }))); // prettier-ignore
      const run = await start('cascade', 'Hi');
      expect(await run.output()).toEqual({ text: 'yes', sure: 0.9 });
      expect(models()).toEqual(['test-model', 'dear-model']);
      const [one, two] = world.provider.requests.slice(before).map(({ body }) => JSON.parse(body) as { messages: unknown }); // prettier-ignore
      expect(two?.messages).toEqual(one?.messages);
      const [first, second] = await journal(run);
      expect([first?.position, second?.position]).toEqual(['1', '1/up-1']);
      expect(second?.choice).toContain(why);
      expect(first?.saved).toEqual({ routing: -(first?.costMicroUsd ?? NaN) });
      expect(await replied(run)).toMatchObject([{ outcome: 'rejected', problem: why.slice(4) + (second?.choice ?? '').slice(why.length) }, { outcome: 'final', tier: 'large' }]); // prettier-ignore
      const status = await run.status();
      expect(status.steps).toBe(1);
      expect(status.costMicroUsd).toBe((first?.costMicroUsd ?? 0) + (second?.costMicroUsd ?? 0));
      const [{ entries } = { entries: 0 }] = await world.database.query<{ entries: number }>({
        text: `select count(*)::int as entries from belayer.entry e join belayer.run r on r.no = e.run_no where r.id = '${run.id}'`,
      });
      expect(entries).toBe(2);
      await expectSame(run);
    },
  );

  test('takes what the largest is not sure of, and has it mend what does not pass', async () => {
    world.provider.script((request) =>
      small(request)
        ? reply.json({ text: 'rude', sure: 1 })
        : request.messages.length < 4
          ? reply.json({ text: 'rude', sure: 1 })
          : reply.json({ text: 'kind', sure: 0.5 }),
    );
    const run = await start('cascade', 'Hi');
    expect(await run.output()).toEqual({ text: 'kind', sure: 0.5 });
    expect((await journal(run)).map(({ position }) => position)).toEqual(['1', '1/up-1', '1/repair-1']); // prettier-ignore
    expect(lastMessages(world).at(-1)?.content).toContain('Say it politely to Hi (large).');
    expect((await replied(run)).at(-1)).toMatchObject({ problem: 'confidence 0.5 is under 0.8' });
    await expectSame(run);
    // Forked at each of its calls, it comes to the same from there.
    for (const [at, prompts] of [
      ['1', 3],
      ['1/up-1', 2],
      ['1/repair-1', 1],
    ] as const) {
      const fork = await run.fork({ at });
      expect(await fork.output()).toEqual({ text: 'kind', sure: 0.5 });
      expect(await journal(fork)).toHaveLength(prompts);
      expect(await fork.status()).toMatchObject({ steps: 1 });
      await expectSame(fork, prompts);
    }
  });

  test('begins each step with the small model, tools do not make it go up, and a session never sees what was rejected', async () => {
    world.provider.script((request) => {
      const last = request.messages.at(-1);
      if (last?.role === 'user') return reply.tools({ order: { id: 'A-1' } });
      return small(request) ? reply.text('no idea') : reply.text('It is shipped.');
    });
    const run = await world.belayer.start('cascade-talker' as never, { input: 'Where is A-1?' as never, key: 'talk' }); // prettier-ignore
    expect(await run.turn(1).output()).toBe('It is shipped.');
    // Of a run that goes on: what was rejected is no step.
    expect((await run.status()).steps).toBe(2);
    await (await world.belayer.send('cascade-talker' as never, { session: 'talk', message: 'Again?' })).output(); // prettier-ignore
    expect(models()).toEqual(['test-model', 'test-model', 'dear-model', 'test-model', 'test-model', 'dear-model']); // prettier-ignore
    expect(JSON.stringify(lastMessages(world))).not.toContain('no idea');
    await run.outcome();
    await expectSame(run);
  });

  test('is forked at the call of the larger model, with what was chosen and what was said', async () => {
    world.provider.script((request) => (small(request) ? reply.text('no json') : reply.json({ text: 'yes', sure: 0.9 }))); // prettier-ignore
    const run = await start('cascade', 'Hi');
    await run.output();
    const fork = await run.fork({ at: '1/up-1' });
    expect(await fork.output()).toEqual({ text: 'yes', sure: 0.9 });
    expect((await journal(fork)).map(({ position, tier }) => [position, tier])).toEqual([['1/up-1', 'large']]); // prettier-ignore
    await expectSame(fork, 1);
    // Models that a person names are no tiers, and what they say is taken or repaired.
    const named = await run.fork({ at: '1/up-1', edit: { model: 'other-model' } });
    expect(await named.output()).toEqual({ text: 'yes', sure: 0.9 });
    expect((await journal(named)).map(({ position, tier }) => [position, tier])).toEqual([['1/up-1', null]]); // prettier-ignore
    // Another input is routed anew.
    const mail = await start('router', { mail: 'A mail of more than twenty characters' });
    world.provider.script(() => reply.text('yes'));
    await mail.output();
    const short = await mail.fork({ at: '1', edit: { message: { mail: 'Short.' } } });
    expect(await short.output()).toBe('yes');
    expect((await journal(short)).map(({ tier, choice }) => [tier, choice])).toEqual([['small', 'route']]); // prettier-ignore
    const given = await run.fork({ at: '1', edit: { reply: { output: { text: 'so', sure: 0 } } } });
    expect(await given.output()).toEqual({ text: 'so', sure: 0 });
    await expectSame(given, 0);
  });

  test('stays under the budget that its calls share: what was rejected has cost what it cost', async () => {
    world.provider.script((request) => (small(request) ? reply.text('no json') : reply.json({ text: 'yes', sure: 0.9 }))); // prettier-ignore
    await (await start('cascade', 'Hi', { customer: 'measured' })).output();
    const rows = await world.database.query<{ spent: number; cost: number }>({
      text: `select b.spent_micro_usd as spent, (select sum(a.cost_micro_usd)::int from belayer.attempt a where a.run_no = r.no) as cost
        from belayer.run r join belayer.budget b on b.scope = 'run' and b.subject = r.no::text where r.customer = 'measured'`,
    });
    expect(rows[0]?.spent).toBe(rows[0]?.cost);
    const [smallRow, largeRow] = await journal((await world.belayer.run((await world.belayer.runs({ customer: 'measured' }))[0]?.id ?? ''))); // prettier-ignore
    // Room for a cheap model and not for the large one: the small one has answered this prompt, so it is the fallback.
    const room = (smallRow?.reservedMicroUsd ?? 0) + (smallRow?.costMicroUsd ?? 0);
    expect(largeRow?.reservedMicroUsd).toBeGreaterThan(2 * room);
    await world.belayer.budgets.set({ customer: 'narrow', per: 'day', costUsd: (3 * room) / 1_000_000, onExhaustion: 'degrade' }); // prettier-ignore
    world.provider.script([reply.text('no json'), reply.json({ text: 'other', sure: 1 })]);
    const run = await start('cascade', 'Hi', { customer: 'narrow' });
    expect(await run.output()).toEqual({ text: 'other', sure: 1 });
    expect((await journal(run)).map(({ position, tier, choice }) => [position, tier, choice?.split(':')[0]])).toEqual([
      ['1', 'small', 'first tier'],
      ['1/up-1-fallback-1', null, 'degraded'],
    ]); // prettier-ignore
    await expectSound(world, run, 2);
  });

  test('a check that throws fails the run by its name, with its call paid for', async () => {
    world.provider.script([reply.json({ text: 'throw', sure: 1 })]);
    const run = await start('cascade', 'Hi');
    expect(await run.outcome()).toMatchObject({
      kind: 'failed',
      failure: { type: 'FunctionFailed', message: expect.stringContaining('`check` of agent `cascade` threw: no such rule') }, // prettier-ignore
    });
    const [row] = await journal(run);
    expect(row).toMatchObject({ outcome: 'failed', code: 'FunctionFailed' });
    expect(row?.costMicroUsd).toBeGreaterThan(0);
    expect(row?.costMicroUsd).toBeLessThan(row?.reservedMicroUsd ?? 0);
  });
});

test('what was rejected is shown, compared and imported with its run, and is a step of none', async () => {
  world.provider.script((request) => (small(request) ? reply.text('no json') : reply.json({ text: 'yes', sure: 0.9 }))); // prettier-ignore
  const [run, same] = [await start('cascade', 'Hi'), await start('cascade', 'Hi')];
  await Promise.all([run.output(), same.output()]);
  const lines = (await eventsOf(run)).map(eventLine);
  expect(lines[1]).toMatch(/^1 +test-model \(small, first tier\) wrote an output that will not do: misfit: Your reply is not valid JSON/); // prettier-ignore
  expect(lines[2]).toMatch(/^1\/up-1 +dear-model \(large, up: misfit: .*\) gave its output/);
  const [first] = (await journal(run)).map(attemptLine);
  expect(first).toContain('small, first tier');
  expect(await world.belayer.diff(run.id, same.id)).toMatchObject({ same: true, sameCalls: 2 });
  const text = await recordingOf(world, run.id);
  expect(await world.belayer.diff(run.id, { recording: text })).toMatchObject({ same: true, b: { steps: 1 } }); // prettier-ignore
  // In a second database on the same server.
  await world.database.query({ text: 'create database elsewhere' });
  const url = new URL(world.servers.addresses.databaseUrl);
  url.pathname = '/elsewhere';
  const there = openDatabase({ url: url.href });
  try {
    await migrate(there);
    const bytes = Readable.from([Buffer.from(text)]);
    await importRecording({ database: there, by: 'tester' }, bytes);
    expect(await readJournal(there, run.id)).toEqual(await readJournal(world.database, run.id));
  } finally {
    await there.close();
  }
  world.provider.script([reply.json({ text: 'yes', sure: 0.9 })]);
  const other = await start('cascade', 'Hi');
  await other.output();
  expect(await world.belayer.diff(run.id, other.id)).toMatchObject({ same: false, partsAt: '1' });
});

/** A rerun of a recording with a later version of the application. */
async function withToday(run: Run, now: Parameters<typeof routedAppOf>[0]) {
  const later = await startReruns(routedAppOf(now), { environment: {} });
  try {
    return await later.rerun(readRecording(await recordingOf(world, run.id)));
  } finally {
    await later.close();
  }
}

test('a rerun says where today’s route, check or stopWhen would have gone another way', async () => {
  world.provider.script([reply.tools({ order: { id: 'A-1' } }), reply.text('Shipped.')]);
  const routed = await start('router', { mail: 'A mail of more than twenty characters' });
  await routed.output();
  expect(await withToday(routed, { longFrom: 100 })).toMatchObject({
    verdict: 'stopped',
    prompt: { position: '1', path: 'model', recorded: 'dear-model', now: 'test-model' },
  });
  world.provider.script([reply.json({ text: 'yes', sure: 1 })]);
  const cascade = await start('cascade', 'Hi');
  await cascade.output();
  expect(await withToday(cascade, { rude: 'yes' })).toMatchObject({
    verdict: 'decisions-differ',
    decision: { position: '1', why: 'a larger model is asked' },
  });
  world.provider.script([reply.json({ text: 'rude', sure: 1 }), reply.json({ text: 'yes', sure: 1 })]); // prettier-ignore
  const raised = await start('cascade', 'Hi');
  await raised.output();
  expect(await withToday(raised, { rude: 'never' })).toMatchObject({
    verdict: 'decisions-differ',
    decision: { position: '1', why: 'no larger model is asked' },
  });
  world.provider.script([reply.tools({ order: { id: 'A-1' } })]);
  const stopped = await start('stopper', 'Where?');
  await stopped.output();
  expect(await withToday(stopped, { shipped: 'never' })).toMatchObject({
    verdict: 'stopped',
    stopped: { position: '2', because: expect.stringContaining('`stopWhen` ended the run before this call; today it does not') }, // prettier-ignore
  });
  world.provider.script([
    reply.tools({ order: { id: 'B-2' } }),
    reply.json({ text: 'open', sure: 1 }),
  ]);
  const answered = await start('stopper', 'Where?');
  await answered.output();
  expect(await withToday(answered, { shipped: 'open' })).toMatchObject({
    verdict: 'output-changed',
    output: { now: { text: '{"sure":1,"text":"B-2 is shipped."}' } },
  });
});

describe('stopWhen', () => {
  test('ends a run with a step’s results: the next call is not made, and nothing is reserved for it', async () => {
    world.provider.script([
      reply.tools({ order: { id: 'B-2' } }),
      reply.tools({ order: { id: 'A-1' } }),
    ]);
    const run = await start('stopper', 'Where?');
    expect(await run.output()).toEqual({ text: 'A-1 is shipped.', sure: 1 });
    expect(models()).toHaveLength(2);
    const rows = await journal(run);
    expect(rows.at(-1)).toMatchObject({
      position: '3',
      costMicroUsd: 0,
      reservedMicroUsd: 0,
      finishReason: 'short-circuit',
      saved: { 'short-circuit': rows.at(-2)?.costMicroUsd },
    });
    expect((await replied(run)).at(-1)).toMatchObject({ outcome: 'final', shortCircuit: 'known after step 2' }); // prettier-ignore
    await expectSame(run, 2);
    // A fork whose order is another goes on.
    world.provider.script([reply.json({ text: 'Open.', sure: 1 })]);
    const fork = await run.fork({ at: '2.1', edit: { result: { id: 'A-1', state: 'open' } } });
    expect(await fork.output()).toEqual({ text: 'Open.', sure: 1 });
    await expectSame(fork, 1);
  });

  test('ends a run on a reply that asks for calls: they are not made', async () => {
    world.provider.script([reply.tools({ pay: { amount: 9 } })]);
    const run = await start('stopper', 'Pay me.');
    expect(await run.output()).toEqual({ text: 'We never pay.', sure: 1 });
    expect(await run.requests()).toEqual([]);
    const [row] = await journal(run);
    expect(row).toMatchObject({ position: '1', saved: { 'short-circuit': 0 } });
    expect((await replied(run))[0]).toMatchObject({ shortCircuit: 'pay was asked for' });
    await expectSame(run);
  });

  test('with an output that is sure enough ends a turn, and the next one tells the model what was not made', async () => {
    world.provider.script([
      { ...reply.tools({ order: { id: 'A-1' } }), text: 'Surely shipped.' },
      { ...reply.tools({ order: { id: 'A-1' } }), text: 'Perhaps.' },
      reply.text('Shipped.'),
    ]);
    const run = await world.belayer.start('sure-talker' as never, { input: 'Where?' as never, key: 'sure' }); // prettier-ignore
    expect(await run.turn(1).output()).toBe('Surely shipped.');
    expect(asked.order).toBe(0);
    await (await world.belayer.send('sure-talker' as never, { session: 'sure', message: 'Really?' })).output(); // prettier-ignore
    expect(asked.order).toBe(1);
    expect(lastMessages(world).map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'tool', 'user', 'assistant', 'tool']); // prettier-ignore
    expect(lastMessages(world)[3]?.content).toContain('"code":"skipped"');
    await run.outcome();
    await expectSame(run);
  });

  test('with an output that does not fit fails the run by its name', async () => {
    world.provider.script([reply.tools({ order: { id: 'B-2' } })]);
    const run = await start('stopper', 'badly');
    expect(await run.outcome()).toMatchObject({
      kind: 'failed',
      failure: { type: 'FunctionFailed', message: expect.stringContaining('`stopWhen` of agent `stopper` gave an output that does not fit') }, // prettier-ignore
    });
  });
});
