/** Forks of runs that are under way, wait, were halted or failed, and what becomes of calls beside the one that is forked. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Run } from '../../client/index.ts';
import { fault, reply } from '../../testing/provider/index.ts';
import { clerks, closeGate, gates, ran, ranOf } from '../support/clerks.ts';
import { eventually } from '../support/eventually.ts';
import { eventsOf, expectSound, lastMessages, rowsOf } from '../support/forks.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
  await world.work(clerks);
});
afterAll(async () => world?.stop());

const contents = (): readonly (string | null)[] =>
  lastMessages(world).map(({ content }) => content);
const asked = (run: Run): Promise<string> =>
  eventually(async () => (await run.requests()).find(({ state }) => state === 'open')?.position);
const begun = (run: Run, position: string): Promise<unknown> =>
  eventually(() => ran.some((line) => line.startsWith(`${run.id} ${position} `)));
const recorded = (run: Run, position: string): Promise<unknown> =>
  eventually(async () => {
    const rows = await world.database.query(
      {
        text: `select from belayer.call c join belayer.run r on r.no = c.run_no
          where r.id = $1 and c.position = $2 and c.state = 'done'`,
      },
      [run.id, position],
    );
    return rows.length > 0;
  });
const refusal = (type: string, message: string) => ({
  type,
  message: expect.stringContaining(message),
});

test('a run that is at work is forked where it has been, and goes on', async () => {
  world.provider.script([
    reply.tools({ order: { id: 'a' } }),
    { ...reply.text('late'), thinkMs: 60_000 },
    reply.text('forked'),
    reply.text('forked too'),
  ]);
  const parent = await world.belayer.start('clerk', { input: 'Live.' });
  await eventually(() => world.provider.requests.at(-1)?.json.messages.length === 4);
  const fork = await parent.fork({ at: '2' });
  expect(await fork.output()).toBe('forked');
  const other = await parent.fork({ at: '1.1', edit: { result: { id: 'a', state: 'gone' } } });
  expect(await other.output()).toBe('forked too');
  expect(contents().at(-1)).toBe('{"id":"a","state":"gone"}');
  await expectSound(world, fork, 1);
  await expectSound(world, other, 1);
  expect(await parent.status()).toMatchObject({ state: 'running', endedAt: null });
  await parent.halt('enough');
  expect(await parent.outcome()).toMatchObject({ because: 'halted' });
});

test('a run that waits for a human is forked at what it waits for, and beside it', async () => {
  world.provider.script([
    reply.tools({ pay: { amount: 80 }, order: { id: 'b' } }),
    reply.text('settled by hand'),
    reply.text('denied here'),
    reply.text('paid there'),
  ]);
  const parent = await world.belayer.start('clerk', { input: 'Wait.' });
  const request = await asked(parent);
  await recorded(parent, '1.2');
  const before = await rowsOf(world, parent);
  const given = await parent.fork({ at: '1.1', edit: { result: { paid: 80 } } });
  expect(await given.output()).toBe('settled by hand');
  expect(contents().slice(3)).toEqual(['{"paid":80}', '{"id":"b","state":"open"}']);
  expect(ranOf(given)).toEqual([]);
  // What had not come to an end beside it is asked about in the fork as well.
  const beside = await parent.fork({ at: '1.2' });
  await beside.deny(await asked(beside), { reason: 'not here' });
  expect(await beside.output()).toBe('denied here');
  expect(ranOf(beside)).toEqual(['1.2 b']);
  expect(await rowsOf(world, parent)).toBe(before);
  await parent.approve(request);
  expect(await parent.output()).toBe('paid there');
  expect(ranOf(parent)).toEqual(['1.2 b', '1.1 80']);
  await expectSound(world, given, 1);
  await expectSound(world, beside, 1);
});

test('a denial beside the call is shared; the call itself is asked about again', async () => {
  world.provider.script([
    reply.tools({ pay: { amount: 90 }, order: { id: 'c' } }),
    reply.text('done'),
    reply.text('still denied'),
    reply.text('allowed'),
  ]);
  const parent = await world.belayer.start('clerk', { input: 'Deny.' });
  await parent.deny(await asked(parent), { reason: 'too much' });
  await parent.output();
  const beside = await parent.fork({ at: '1.2', edit: { arguments: { id: 'd' } } });
  expect(await beside.output()).toBe('still denied');
  expect(contents()[3]).toContain('too much');
  expect(await beside.requests()).toEqual([]);
  expect(ranOf(beside)).toEqual(['1.2 d']);
  const again = await parent.fork({ at: '1.1' });
  await again.approve(await asked(again));
  expect(await again.output()).toBe('allowed');
  expect(ranOf(again)).toEqual(['1.1 90']);
  await expectSound(world, beside, 1);
  await expectSound(world, again, 1);
});

test('a write that is under way beside the call refuses the fork, and is shared when it has ended', async () => {
  closeGate();
  world.provider.script([
    reply.tools({ dawdle: {}, order: { id: 'e' } }),
    reply.text('given'),
    reply.text('done'),
    reply.text('forked'),
  ]);
  const parent = await world.belayer.start('clerk', { input: 'Dawdle.' });
  await begun(parent, '1.1');
  await begun(parent, '1.2');
  for (const at of ['1.1', '1.2'])
    await expect(parent.fork({ at }), at).rejects.toMatchObject(
      refusal('ForkRejected', 'the write `dawdle` at `1.1`'),
    );
  const given = await parent.fork({ at: '1.1', edit: { result: 'as if' } });
  expect(await given.output()).toBe('given');
  gates.open();
  expect(await parent.output()).toBe('done');
  const fork = await parent.fork({ at: '1.2' });
  expect(await fork.output()).toBe('forked');
  expect(ranOf(fork)).toEqual(['1.2 e']);
  expect(contents()[3]).toBe('written');
  await expectSound(world, fork, 1);
});

test('a write of unknown outcome refuses the fork until a human has settled it, and is never done again', async () => {
  world.provider.script([
    reply.tools({ wire: {}, order: { id: 'f' } }),
    reply.text('known'),
    reply.text('nobody knows'),
    reply.text('shared'),
    reply.text('shared too'),
  ]);
  const parent = await world.belayer.start('clerk', { input: 'Wire.' });
  const request = await asked(parent);
  for (const at of ['1.1', '1.2'])
    await expect(parent.fork({ at }), at).rejects.toMatchObject(
      refusal('ForkRejected', 'nobody knows whether it happened'),
    );
  const known = await parent.fork({ at: '1.1', edit: { result: 'wired' } });
  expect(await known.output()).toBe('known');
  await parent.deny(request);
  await parent.output();
  for (const [at, output] of [
    ['1.2', 'shared'],
    ['1.1', 'shared too'],
  ] as const) {
    const fork = await parent.fork({ at });
    expect(await fork.output()).toBe(output);
    expect(contents()[3]).toContain('outcome_unknown');
    expect(ranOf(fork).filter((line) => line.includes('wired'))).toEqual([]);
    await expectSound(world, fork, 1);
  }
});

test('what was tried in the place of a call that failed is shared as its result', async () => {
  world.provider.script([
    reply.tools({ ill: { cents: 300 }, order: { id: 'g' } }),
    reply.text('done'),
    reply.text('once'),
    reply.text('twice'),
  ]);
  const parent = await world.belayer.start('clerk', { input: 'Fall back.' });
  await parent.output();
  expect(ranOf(parent)).toContain('1.1/fallback-1 3');
  for (const at of ['1.2', '1.1']) {
    const fork = await parent.fork({ at });
    await fork.output();
    expect(contents()[3]).toContain('ill failed (away); pay ran instead');
    expect(ranOf(fork)).toEqual(at === '1.2' ? ['1.2 g'] : []);
    await expectSound(world, fork, 1);
  }
});

test('a run that was halted is forked where it was stopped, and the fork ends', async () => {
  closeGate();
  world.provider.script([reply.tools({ linger: {} }), reply.text('to the end')]);
  const parent = await world.belayer.start('clerk', { input: 'Linger.' });
  await begun(parent, '1.1');
  await parent.halt('too long');
  expect(await parent.outcome()).toMatchObject({ because: 'halted' });
  const fork = await parent.fork({ at: '1.1' });
  await begun(fork, '1.1');
  gates.open();
  expect(await fork.output()).toBe('to the end');
  expect(contents().at(-1)).toBe('at last');
  await expectSound(world, fork, 1);
});

test('a run that failed is forked at the call that failed it', async () => {
  world.provider.script([
    reply.tools({ order: { id: 'h' } }),
    fault.badKey(),
    reply.text('mended'),
  ]);
  const parent = await world.belayer.start('clerk', { input: 'Fail.' });
  expect(await parent.outcome()).toMatchObject({ kind: 'failed' });
  const fork = await parent.fork({ at: '2' });
  expect(await fork.output()).toBe('mended');
  expect(ranOf(fork)).toEqual([]);
  await expectSound(world, fork, 1);
});

test('a halt reaches a fork, by itself and by its customer', async () => {
  closeGate();
  world.provider.script([reply.tools({ linger: {} }), reply.tools({ linger: {} }), reply.tools({ linger: {} })]); // prettier-ignore
  const parent = await world.belayer.start('clerk', { input: 'Halt.', customer: 'globex' });
  await begun(parent, '1.1');
  const [one, two] = [await parent.fork({ at: '1' }), await parent.fork({ at: '1' })];
  await begun(one, '1.1');
  await begun(two, '1.1');
  await one.halt('only this one');
  expect(await one.outcome()).toMatchObject({ because: 'halted' });
  expect((await two.status()).state).toBe('running');
  await world.belayer.stop({ customer: 'globex' }, { reason: 'all of them' });
  expect(await two.outcome()).toMatchObject({ because: 'halted' });
  expect(await parent.outcome()).toMatchObject({ because: 'halted' });
  await world.belayer.lift({ customer: 'globex' }, { reason: 'over' });
  gates.open();
});

test('a sub-agent’s run is forked as a run of its own, and its call is shared and not made again', async () => {
  world.provider.script([
    reply.tools({ writer: { input: 'x' }, order: { id: 'i' } }),
    reply.tools({ pay: { amount: 1 } }),
    reply.json({ text: 'y' }),
    reply.text('done'),
    reply.text('shared'),
    reply.json({ text: 'z' }),
    reply.text('given'),
  ]);
  const parent = await world.belayer.start('clerk', { input: 'Delegate.' });
  expect(await parent.output()).toBe('done');
  const shared = await parent.fork({ at: '1.1' });
  expect(await shared.output()).toBe('shared');
  expect((await eventsOf(shared)).some(({ kind }) => kind === 'child.started')).toBe(false);
  const child = await world.belayer.run(`${parent.id}/1.1`);
  const fork = await child.fork({ at: '2', edit: { message: 'Other words.' } });
  expect(await fork.output()).toEqual({ text: 'z' });
  expect(ranOf(fork)).toEqual([]);
  expect(await fork.status()).toMatchObject({ parent: null, forkOf: child.id, agent: 'writer' });
  const given = await parent.fork({ at: '1.1', edit: { result: { text: 'by hand' } } });
  expect(await given.output()).toBe('given');
  expect(contents()[3]).toBe('{"text":"by hand"}');
  for (const each of [shared, fork, given]) await expectSound(world, each, 1);
});
