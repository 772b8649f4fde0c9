/** Kept replies and results: who is given one, for how long, under which budgets, and what is left on record. */
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runProgram } from '../../client/commands/program.ts';
import type { RunEvent } from '../../contracts/events.ts';
import { limits } from '../../contracts/limits.ts';
import { clearCache, countHits, keepEntry, releaseEntry, renewLeases, sweepCache, takeEntry, type WantedEntry } from '../../storage/cache.ts'; // prettier-ignore
import { readCalls, readJournal } from '../../storage/reading-runs.ts';
import { replay, reply, rerun } from '../../testing/index.ts';
import { aTerminal } from '../support/a-terminal.ts';
import app, { ran, refused } from '../support/cache-app.ts';
import { moveCacheClock } from '../support/cache-clock.ts';
import { eventually } from '../support/eventually.ts';
import { recordingOf } from '../support/recording-of.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
  await world.work(app);
});
afterAll(() => world?.stop());
beforeEach(async () => {
  await moveCacheClock(world.database, 0);
  await world.belayer.cache.clear();
  for (const tool of Object.keys(ran) as (keyof typeof ran)[]) ran[tool] = 0;
});

const usage = { inputTokens: 100, outputTokens: 10 };
/** Asks and gives what the run said, and how many calls the provider had for it. */
async function ask(
  agent: string,
  input: string,
  customer?: string,
): Promise<{ readonly said: unknown; readonly calls: number; readonly run: string }> {
  const before = world.provider.requests.length;
  const run = await world.belayer.start(agent, {
    input,
    ...(customer === undefined ? {} : { customer }),
  });
  const said = await run.output();
  return { said, calls: world.provider.requests.length - before, run: run.id };
}

async function eventsOf(run: string): Promise<readonly RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of (await world.belayer.run(run)).watch()) events.push(event);
  return events;
}

test('the same prompt is answered again at no cost, as an ordinary reply that says where it is from', async () => {
  world.provider.script((_, n) => reply.text(`answer ${n}`, { usage }));
  const first = await ask('keeper', 'What is it?', 'acme');
  const second = await ask('keeper', 'What is it?', 'acme');
  expect([first.calls, second.calls]).toEqual([1, 0]);
  expect(second.said).toBe(first.said);
  const [made] = await readJournal(world.database, first.run);
  const [given] = await readJournal(world.database, second.run);
  expect(made).toMatchObject({ costMicroUsd: 120, saved: null, choice: null });
  expect(given).toMatchObject({
    outcome: 'ok',
    costMicroUsd: 0,
    reservedMicroUsd: 0,
    saved: { cache: 120 },
    choice: expect.stringMatching(new RegExp(`^cache: run ${first.run}, position 1, 20\\d\\d-`)),
    promptHash: made?.promptHash,
    finishReason: 'stop',
  });
  const replied = (await eventsOf(second.run)).find(({ kind }) => kind === 'model.replied');
  expect(replied).toMatchObject({ cached: true, costMicroUsd: 0, inputTokens: 0, outputTokens: 0 });
  expect((await eventsOf(second.run)).at(-1)).toMatchObject({ costMicroUsd: 0, tokens: 0 });
  expect((await ask('keeper', 'What else?', 'acme')).calls).toBe(1);
});

test('a run of kept replies and results replays, is rerun and forked as any other', async () => {
  world.provider.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? reply.text('found', { usage })
      : reply.tools({ lookup: { id: 'a' } }, { usage }),
  );
  const first = await ask('worker', 'Find a.', 'acme');
  const second = await ask('worker', 'Find a.', 'acme');
  expect([first.calls, second.calls, ran.lookup]).toEqual([2, 0, 1]);
  const recording = await recordingOf(world, second.run);
  await replay(recording);
  expect(await rerun(app, recording, { environment: {} })).toMatchObject({ verdict: 'unchanged' });
  const journal = await readJournal(world.database, second.run);
  expect(journal.map(({ position, saved }) => [position, saved])).toEqual([
    ['1', { cache: 120 }],
    ['1.1', { cache: 250 }],
    ['2', { cache: 120 }],
  ]);
  expect(journal.every(({ costMicroUsd }) => costMicroUsd === 0)).toBe(true);
  const fork = await (await world.belayer.run(second.run)).fork({ at: '2' });
  expect(await fork.output()).toBe('found');
});

test('a kept reply is checked as a new one: one that will not do is neither kept nor given, and says its tier', async () => {
  refused.add('small talk');
  world.provider.script((request) =>
    reply.text(request.model === 'dear-model' ? 'large words' : 'small talk', { usage }),
  );
  const first = await ask('chooser', 'Choose.');
  expect(first).toMatchObject({ said: 'large words', calls: 2 });
  // Nobody gave the small one’s reply to others.
  const second = await ask('chooser', 'Choose.');
  expect(second).toMatchObject({ said: 'large words', calls: 1 });
  const [small, large] = await readJournal(world.database, second.run);
  expect(small).toMatchObject({ position: '1', tier: 'small', saved: { routing: -small!.costMicroUsd } }); // prettier-ignore
  expect(large).toMatchObject({ position: '1/up-1', tier: 'large', costMicroUsd: 0 });
  expect(large?.choice).toContain(`cache: run ${first.run}, position 1/up-1`);
  const recording = await recordingOf(world, second.run);
  await replay(recording);
  expect(await rerun(app, recording, { environment: {} })).toMatchObject({ verdict: 'unchanged' });
  // What will not do any more is asked anew, and the new one kept in its place.
  refused.clear();
  expect(await ask('chooser', 'Choose.')).toMatchObject({ said: 'small talk', calls: 1 });
  refused.add('small talk');
  expect(await ask('chooser', 'Choose.')).toMatchObject({ said: 'large words', calls: 1 });
  refused.clear();
});

test('a reply is as old as it may be and no older, for who keeps it and for who asks', async () => {
  world.provider.script(() => reply.text('kept', { usage }));
  await ask('keeper', 'How old?');
  await moveCacheClock(world.database, 59 * 60_000);
  expect((await ask('keeper', 'How old?')).calls).toBe(0);
  await moveCacheClock(world.database, 61 * 60_000);
  expect((await ask('keeper', 'How old?')).calls).toBe(1);
  // It has taken the place of the old one.
  expect((await ask('keeper', 'How old?')).calls).toBe(0);
});

test('customers do not see each other’s, a run without one is none of them, and only what is public is for all', async () => {
  world.provider.script(() => reply.text('kept', { usage }));
  const calls = async (agent: string, customer?: string): Promise<number> =>
    (await ask(agent, 'Who?', customer)).calls;
  expect(await calls('keeper', 'a')).toBe(1);
  expect(await calls('keeper', 'b')).toBe(1);
  expect(await calls('keeper')).toBe(1);
  expect(await calls('keeper', 'none')).toBe(1);
  expect(await calls('keeper', 'a')).toBe(0);
  expect(await calls('keeper')).toBe(0);
  expect(await calls('sharer', 'a')).toBe(1);
  expect(await calls('sharer', 'b')).toBe(0);
  expect(await calls('sharer')).toBe(0);
  expect(await calls('sharer', 'public')).toBe(0);
});

test('a kept reply is given under a budget that is used up, also where a tool brought it over its ceiling', async () => {
  world.provider.script((request) =>
    request.messages.at(-1)?.role === 'tool' || request.messages.at(-1)?.content === 'Kept?'
      ? reply.text('kept', { usage })
      : reply.tools({ lookup: { id: 'dear' } }, { usage }),
  );
  await ask('keeper', 'Kept?', 'poor');
  const budget = { customer: 'poor', per: 'day' as const };
  const room = 3_000;
  await world.belayer.budgets.set({ ...budget, costUsd: room / 1_000_000 });
  await world.database.query({
    text: `select belayer.settle_windows(r.no, '1', w.windows, 0, 0, ${room} + 5, 0)
      from belayer.run r, belayer.open_windows('keeper', 'poor') w where r.customer = 'poor' limit 1`,
  });
  const [window] = await world.belayer.budgets.show({ customer: 'poor' });
  expect(window?.window?.spentMicroUsd).toBe(room + 5);
  const given = await ask('keeper', 'Kept?', 'poor');
  expect(given).toMatchObject({ said: 'kept', calls: 0 });
  const refused = await world.belayer.start('keeper', { input: 'New?', customer: 'poor' });
  expect(await refused.outcome()).toMatchObject({ because: 'budget-spent' });
  await world.belayer.budgets.remove(budget);
});

test('what was not accepted is not kept: refusals, replies that were cut, outputs that do not fit', async () => {
  const asked = async (agent: string, input: string): Promise<number> => {
    const before = world.provider.requests.length;
    await (await world.belayer.start(agent, { input })).outcome();
    return world.provider.requests.length - before;
  };
  world.provider.script([reply.refusal('No.'), reply.text('fine', { usage })]);
  expect(await asked('keeper', 'refuse')).toBe(1);
  expect(await asked('keeper', 'refuse')).toBe(1);
  expect(await asked('keeper', 'refuse')).toBe(0);
  const cut = reply.text('cut', { usage, finishReason: 'length' });
  world.provider.script([cut, reply.text('whole', { usage }), reply.text('whole', { usage })]);
  expect(await asked('keeper', 'long')).toBe(2);
  expect(await asked('keeper', 'long')).toBe(1);
  world.provider.script([
    reply.text('{"verdict":"maybe"}', { usage }),
    reply.json({ verdict: 'yes' }, { usage }),
    reply.json({ verdict: 'no' }, { usage }),
  ]);
  expect(await asked('judge', 'fits')).toBe(2);
  expect(await asked('judge', 'fits')).toBe(1);
  expect(await asked('judge', 'fits')).toBe(0);
});

test('what a later version of the agent would not accept is asked again, and takes the place of it', async () => {
  world.provider.script(() => reply.json({ verdict: 'yes' }, { usage }));
  await ask('judge', 'stale');
  await world.database.query({
    text: `update belayer.cache_entry set body = replace(body, 'yes', 'perhaps')`,
  });
  expect(await ask('judge', 'stale')).toMatchObject({ said: { verdict: 'yes' }, calls: 1 });
  expect((await ask('judge', 'stale')).calls).toBe(0);
});

test('a tool’s result is given without running it, as it was checked, and only where it succeeded', async () => {
  const toolThen =
    (tool: string, args: object) => (request: { messages: readonly { role: string }[] }) =>
      // prettier-ignore
      request.messages.at(-1)?.role === 'tool'
      ? reply.text('done', { usage })
      : reply.tools({ [tool]: { ...args } }, { usage });
  world.provider.script(toolThen('lookup', { id: 'x' }));
  const first = await ask('looker', 'one', 'a');
  const second = await ask('looker', 'two', 'a');
  expect(ran.lookup).toBe(1);
  const contentOf = async (run: string) =>
    (await readCalls(world.database, run)).find(({ position }) => position === '1.1')?.fragment;
  expect(JSON.parse((await contentOf(second.run)) ?? '')).toMatchObject({
    content: '{"id":"x","state":"known"}',
  });
  const given = (await readJournal(world.database, second.run)).find(({ kind }) => kind === 'tool');
  expect(given).toMatchObject({
    outcome: 'ok',
    costMicroUsd: 0,
    saved: { cache: 250 },
    choice: expect.stringContaining(`cache: run ${first.run}, position 1.1, `),
  });
  expect((await eventsOf(second.run)).find(({ kind }) => kind === 'tool.finished')).toMatchObject({
    cached: true,
    tookMs: expect.any(Number),
  });
  await ask('looker', 'three', 'b');
  expect(ran.lookup).toBe(2);

  world.provider.script(toolThen('rates', {}));
  await ask('looker', 'rates', 'a');
  await ask('looker', 'rates', 'b');
  await ask('looker', 'rates');
  expect(ran.rates).toBe(1);
  await moveCacheClock(world.database, 11 * 60_000);
  await ask('looker', 'rates');
  expect(ran.rates).toBe(2);

  world.provider.script(toolThen('shaky', {}));
  for (const input of ['fails', 'works', 'kept']) await ask('looker', input);
  expect(ran.shaky).toBe(2);
  // Longer than an entry may be.
  world.provider.script(toolThen('big', {}));
  for (const input of ['big', 'big again']) await ask('looker', input);
  expect(ran.big).toBe(2);
});

const entry = (key: string, more: Partial<WantedEntry> = {}): WantedEntry => ({
  scope: 'public',
  key,
  kind: 'tool',
  agent: 'looker',
  tool: 'lookup',
  forMs: 60_000,
  run: 'r',
  position: '1.1',
  ...more,
});
const kept = async (): Promise<readonly string[]> =>
  (
    await world.database.query<{ key: string }>({
      text: 'select key from belayer.cache_entry order by key',
    })
  ).map(({ key }) => key);

test('the sweep takes what has expired, then what was not hit for the longest, until all fits', async () => {
  const content = { body: 'x'.repeat(1_000), about: {}, costMicroUsd: 5 };
  const each = 1_000 + limits.cacheEntryOverheadBytes;
  for (const [minute, key] of ['a', 'b', 'c', 'd'].entries()) {
    await moveCacheClock(world.database, minute * 1_000);
    await keepEntry(world.database, entry(key, key === 'c' ? { forMs: 1_000 } : {}), content, undefined); // prettier-ignore
  }
  await moveCacheClock(world.database, 10_000);
  await countHits(world.database, [{ scope: 'public', key: 'a', hits: 3 }]);
  expect(await world.belayer.cache.show()).toMatchObject([
    { kind: 'tool', agent: 'looker', tool: 'lookup', entries: 3, bytes: 3 * each, hits: 3, savedMicroUsd: 15 }, // prettier-ignore
  ]);
  // The worker's own sweep may be at it just then.
  const swept = (bytesMax: number, left: readonly string[]): Promise<true> =>
    eventually(async () => {
      await sweepCache(world.database, bytesMax);
      return (await kept()).join() === left.join();
    });
  await swept(4 * each, ['a', 'b', 'd']);
  await swept(2 * each, ['a', 'd']);
  await swept(each - 1, []);
});

test('of many that see a lease run out one takes it, and who had it stores nothing any more', async () => {
  const content = { body: '"x"', about: {}, costMicroUsd: 5 };
  const many = Array.from({ length: 40 }, (_, index) => `holder-${index}`);
  const take = (holder: string) => takeEntry(world.database, entry('one', { run: holder }), holder);
  const verdicts = async (): Promise<readonly string[]> =>
    (await Promise.all(many.map(async (holder) => [holder, (await take(holder)).verdict] as const))) // prettier-ignore
      .filter(([, verdict]) => verdict !== 'follow')
      .map(([holder, verdict]) => `${holder} ${verdict}`);
  expect(await take('dead')).toEqual({ verdict: 'lead' });
  expect(await verdicts()).toEqual([]);
  await moveCacheClock(world.database, limits.cacheLeaseMs - 1_000);
  await renewLeases(world.database, [{ scope: 'public', key: 'one', holder: 'dead' }]);
  await moveCacheClock(world.database, limits.cacheLeaseMs + 1_000);
  expect(await verdicts()).toEqual([]);
  await moveCacheClock(world.database, 3 * limits.cacheLeaseMs);
  const [taken, ...others] = await verdicts();
  expect(taken).toMatch(/ lead$/);
  expect(others).toEqual([]);
  expect(await keepEntry(world.database, entry('one'), content, 'dead')).toBe(false);
  expect(await kept()).toEqual([]);
  const holder = taken?.split(' ')[0];
  expect(await keepEntry(world.database, entry('one'), content, holder)).toBe(true);
  expect((await verdicts()).every((verdict) => verdict.endsWith(' hit'))).toBe(true);
  // What is being made when all is cleared is from before.
  expect(await take('dead')).toMatchObject({ verdict: 'hit' });
  await world.belayer.cache.clear();
  expect(await take('early')).toEqual({ verdict: 'lead' });
  await world.belayer.cache.clear({ agent: 'looker' });
  expect(await keepEntry(world.database, entry('one'), content, 'early')).toBe(false);
});

test('nobody waits for what was too large to be kept, for a while', async () => {
  const take = async (run: string): Promise<string> =>
    (await takeEntry(world.database, entry('large', { run }), run)).verdict;
  expect([await take('a'), await take('b')]).toEqual(['lead', 'follow']);
  await releaseEntry(world.database, entry('large'), 'a', limits.cacheAloneMs);
  expect([await take('b'), await take('c'), await take('a')]).toEqual(['alone', 'alone', 'alone']);
  await moveCacheClock(world.database, limits.cacheAloneMs + 1_000);
  expect([await take('b'), await take('c')]).toEqual(['lead', 'follow']);
});

test('what is cleared is what was named, of the customer, the agent or the tool', async () => {
  const content = { body: '"x"', about: {}, costMicroUsd: 5 };
  const keep = (key: string, more: Partial<WantedEntry>): Promise<boolean> =>
    keepEntry(world.database, entry(key, more), content, undefined);
  await keep('shared', { customer: 'a' });
  await keep('own', { scope: 'customer/a', customer: 'a', tool: 'slow' });
  await keep('other', { scope: 'customer/b', customer: 'b', tool: 'slow' });
  await keep('prompt', { kind: 'prompt', agent: 'keeper', tool: '' });
  expect(await world.belayer.cache.clear({ customer: 'b', tool: 'lookup' })).toBe(0);
  expect(await world.belayer.cache.clear({ customer: 'a' })).toBe(2);
  expect(await kept()).toEqual(['other', 'prompt']);
  expect(await world.belayer.cache.clear({ agent: 'keeper' })).toBe(1);
  expect(await world.belayer.cache.clear({ tool: 'slow' })).toBe(1);
  await expect(world.belayer.cache.clear({ custmer: 'a' } as never)).rejects.toThrow(/`custmer` is not an option/); // prettier-ignore
  expect(await clearCache(world.database, {})).toBe(0);
});

test('on the command line: what is kept with what it saved, and what was removed', async () => {
  const { temporal, databaseUrl } = world.servers.addresses;
  const environment = {
    TEMPORAL_ADDRESS: temporal.address,
    DATABASE_URL: databaseUrl,
    USER: 'ann',
  };
  const belayer = async (...words: string[]): Promise<string> => {
    const terminal = aTerminal({ folder: tmpdir(), environment });
    expect(await runProgram(words, terminal)).toBe(0);
    return terminal.output() + terminal.errors();
  };
  expect(await belayer('cache', 'show')).toMatch(/^Nothing is kept/);
  await keepEntry(world.database, entry('a'), { body: '"x"', about: {}, costMicroUsd: 5 }, undefined); // prettier-ignore
  await countHits(world.database, [{ scope: 'public', key: 'a', hits: 2 }]);
  expect(await belayer('cache', 'show')).toMatch(/looker +lookup +1 +515 +2 +\$0\.000010/);
  expect(JSON.parse(await belayer('cache', 'show', '--json'))).toMatchObject({
    agent: 'looker',
    savedMicroUsd: 10,
  });
  expect(await belayer('cache', 'clear', '--agent', 'nobody')).toBe('0 entries were removed.\n');
  expect(JSON.parse(await belayer('cache', 'clear', '--tool', 'lookup', '--json'))).toEqual({
    removed: 1,
  });
});
