/** Forks of a run that has ended: every kind of edit, and what is refused. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ForkOptions, Run } from '../../client/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { clerks, ranOf } from '../support/clerks.ts';
import { eventsOf, expectSound, lastMessages, rowsOf } from '../support/forks.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let parent: Run;
let before = '';

beforeAll(async () => {
  world = await createWorld();
  await world.work(clerks);
  world.provider.script([
    reply.tools({ order: { id: 'a' }, pay: { amount: 5 } }),
    reply.tools({ order: { id: 'b' } }),
    reply.text('done'),
  ]);
  parent = await world.belayer.start('clerk', { input: 'Go.', customer: 'acme' });
  await parent.output();
  before = await rowsOf(world, parent);
});
afterAll(async () => world?.stop());

const answers = (...texts: readonly string[]): void =>
  world.provider.script(texts.map((text) => reply.text(text)));
const contents = (): readonly (string | null)[] =>
  lastMessages(world).map(({ content }) => content);

test('a fork at a model call shares what was before, asks the model again, and leaves its parent as it was', async () => {
  answers('another end');
  const fork = await parent.fork({ at: '2', by: 'ann', reason: 'to see' });
  expect(await fork.output()).toBe('another end');
  expect(contents()).toEqual(['Work.', 'Go.', null, '{"id":"a","state":"open"}', '{"paid":5}']);
  expect(ranOf(fork)).toEqual([]);
  expect(await fork.status()).toMatchObject({
    customer: 'acme',
    forkOf: parent.id,
    forkAt: '2',
    forkEdit: null,
    parent: null,
    steps: 2,
  });
  expect((await eventsOf(fork)).slice(0, 2)).toMatchObject([
    { kind: 'run.started', agent: 'clerk', customer: 'acme' },
    { kind: 'run.forked', position: '2', of: parent.id, by: 'ann', reason: 'to see' },
  ]);
  await expectSound(world, fork, 1);
  expect(await rowsOf(world, parent)).toBe(before);
});

test('a fork at the first call shares nothing but the input', async () => {
  answers('short');
  const fork = await parent.fork({ at: '1' });
  expect(await fork.output()).toBe('short');
  expect(contents()).toEqual(['Work.', 'Go.']);
  await expectSound(world, fork, 1);
});

test('a reply that is given is judged and carried out as a model’s, at no cost', async () => {
  answers('seen');
  const edit = { reply: { text: 'Hm.', calls: [{ tool: 'pay', arguments: { amount: 7 } }, { tool: 'nothing' }] } }; // prettier-ignore
  const fork = await parent.fork({ at: '2', edit });
  expect(await fork.output()).toBe('seen');
  expect(ranOf(fork)).toEqual(['2.1 7']);
  expect(contents().slice(5)).toEqual([
    'Hm.',
    '{"paid":7}',
    expect.stringContaining('unknown_tool'),
  ]);
  const [given] = (await eventsOf(fork)).filter(({ kind }) => kind === 'model.replied');
  expect(given).toMatchObject({ position: '2', given: true, costMicroUsd: 0, inputTokens: 0 });
  expect(await fork.status()).toMatchObject({ forkEdit: 'reply asking for pay, nothing' });
  await expectSound(world, fork, 1);
});

test('a text that is given as the reply is the output, and no model is asked', async () => {
  const requests = world.provider.requests.length;
  const fork = await parent.fork({ at: '3', edit: { reply: 'given' } });
  expect(await fork.output()).toBe('given');
  expect(await fork.status()).toMatchObject({ costMicroUsd: 0, tokens: 0, steps: 3 });
  expect(world.provider.requests.length).toBe(requests);
  await expectSound(world, fork, 0);
});

test('a result that is given stands for the call, and what had ended beside it is shared', async () => {
  answers('sorry');
  const fork = await parent.fork({ at: '1.1', edit: { result: { id: 'a', state: 'lost' } } });
  expect(await fork.output()).toBe('sorry');
  expect(contents()).toEqual(['Work.', 'Go.', null, '{"id":"a","state":"lost"}', '{"paid":5}']);
  expect(ranOf(fork)).toEqual([]);
  await expectSound(world, fork, 1);
});

test('arguments that are given are those of the reply, and the call runs with them', async () => {
  answers('ok');
  const fork = await parent.fork({ at: '1.1', edit: { arguments: { id: 'z' } } });
  expect(await fork.output()).toBe('ok');
  expect(ranOf(fork)).toEqual(['1.1 z']);
  const asked = JSON.stringify(lastMessages(world)[2]);
  expect(asked).toContain('{\\"id\\":\\"z\\"}');
  expect(asked).toContain('{\\"amount\\":5}');
  await expectSound(world, fork, 1);
});

test('a write with other arguments is a new effect behind the gate; with the same it is refused', async () => {
  answers('ok');
  const fork = await parent.fork({ at: '1.2', edit: { arguments: { amount: 80 } } });
  await expect.poll(async () => (await fork.requests()).map(({ position }) => position), { timeout: 20_000 }).toEqual(['1.2/approval']); // prettier-ignore
  await fork.approve('1.2/approval');
  expect(await fork.output()).toBe('ok');
  expect(ranOf(fork)).toEqual(['1.2 80']);
  await expectSound(world, fork, 1);
  await expect(
    parent.fork({ at: '1.2', edit: { arguments: { amount: 5 } } }),
  ).rejects.toMatchObject({
    type: 'ForkRejected',
    message: expect.stringContaining('has been done and is not done again'),
  });
});

test('without an edit a read runs again, and a write that was done is not done again', async () => {
  answers('read again', 'not paid again');
  const read = await parent.fork({ at: '2.1' });
  expect(await read.output()).toBe('read again');
  expect(ranOf(read)).toEqual(['2.1 b']);
  const write = await parent.fork({ at: '1.2' });
  expect(await write.output()).toBe('not paid again');
  expect(ranOf(write)).toEqual([]);
  expect(contents().slice(3)).toEqual(['{"id":"a","state":"open"}', '{"paid":5}']);
  await expectSound(world, write, 1);
});

test('a message replaces the input at the first call, and is said beside results behind it', async () => {
  answers('first', 'second');
  const first = await parent.fork({ at: '1', edit: { message: 'Stop.' } });
  expect(await first.output()).toBe('first');
  expect(contents()).toEqual(['Work.', 'Stop.']);
  await expectSound(world, first, 1);
  const second = await parent.fork({ at: '2', edit: { message: 'And hurry.' } });
  expect(await second.output()).toBe('second');
  expect(contents().slice(3)).toEqual(['{"id":"a","state":"open"}', '{"paid":5}', 'And hurry.']);
  await expectSound(world, second, 1);
});

test('instructions, model and limits hold from there on, and no start picks them up', async () => {
  world.provider.script([reply.tools({ order: { id: 'c' } }), reply.tools({ order: { id: 'd' } })]);
  const fork = await parent.fork({
    at: '2',
    edit: { instructions: 'Be brief.', model: 'other-model', limits: { steps: 2, costUsd: 3 } },
  });
  expect(await fork.outcome()).toMatchObject({
    kind: 'stopped',
    because: 'step-limit',
    detail: 'The run has made the 2 steps that it had from where it was forked.',
  });
  expect(world.provider.requests.at(-1)?.json.model).toBe('other-model');
  expect(contents()[0]).toBe('Be brief.');
  expect(ranOf(fork)).toEqual(['2.1 c', '3.1 d']);
  expect(await fork.status()).toMatchObject({ ceilingMicroUsd: 3_000_000, steps: 3 });
  await expectSound(world, fork, 2);
  answers('as ever');
  const fresh = await world.belayer.start('clerk', { input: 'Go.' });
  expect(await fresh.output()).toBe('as ever');
  expect(contents()).toEqual(['Work.', 'Go.']);
  expect((await fresh.status()).definition).toBe((await parent.status()).definition);
});

test('a fork has its own budget: what its parent spent does not count, what it spends does', async () => {
  const spent = (await parent.status()).costMicroUsd;
  answers('cheap');
  const fork = await parent.fork({ at: '3', limits: { costUsd: 0.5, tokens: 100_000 } });
  expect(await fork.output()).toBe('cheap');
  const status = await fork.status();
  expect(status).toMatchObject({ ceilingMicroUsd: 500_000, reservedMicroUsd: 0 });
  expect(status.costMicroUsd).toBeGreaterThan(0);
  expect(status.costMicroUsd).toBeLessThan(spent);
  expect((await parent.status()).costMicroUsd).toBe(spent);
  const poor = await parent.fork({ at: '3', limits: { tokens: 10 } });
  expect(await poor.outcome()).toMatchObject({ kind: 'stopped', because: 'token-limit' });
  expect(await poor.status()).toMatchObject({ costMicroUsd: 0, reservedMicroUsd: 0 });
});

test('the same key gives the same fork, and refuses another parent, position or edit', async () => {
  answers('once');
  const wish: ForkOptions = { at: '3', key: 'again', edit: { message: 'Hm?' } };
  const fork = await parent.fork(wish);
  expect(await fork.output()).toBe('once');
  expect((await parent.fork(wish)).id).toBe(fork.id);
  const others: readonly [Run, ForkOptions][] = [
    [parent, { ...wish, at: '2' }],
    [parent, { ...wish, edit: { message: 'What?' } }],
    [fork, wish],
  ];
  for (const [run, other] of others)
    await expect(run.fork(other)).rejects.toMatchObject({ type: 'KeyReused' });
  await expect(world.belayer.start('clerk', { input: 'Go.', customer: 'acme', key: 'again' })).rejects.toMatchObject({ type: 'KeyReused' }); // prettier-ignore
  const same = await Promise.all([1, 2, 3].map(() => parent.fork({ at: '3', key: 'at once', edit: { reply: 'x' } }))); // prettier-ignore
  expect(new Set(same.map(({ id }) => id)).size).toBe(1);
  await same[0]?.output();
});

test('what cannot be forked is refused with the reason, and nothing is started', async () => {
  const runs = (await world.belayer.runs({ limit: 1000 })).length;
  const wrong: readonly (readonly [ForkOptions, string, string])[] = [
    [{ at: '9' }, 'ForkRejected', 'has not come there'],
    [{ at: '9.1' }, 'ForkRejected', 'has not come there'],
    [{ at: '1.3' }, 'ForkRejected', 'the reply of step 1 asked for 2 calls'],
    [{ at: '3.1' }, 'ForkRejected', 'has not come there'],
    [{ at: '1.1/approval' }, 'InputRejected', 'must be a model call'],
    [{ at: 'x' }, 'InputRejected', 'must be a model call'],
    [{ at: '1', edit: { result: 1 } }, 'InputRejected', 'fork at 1.1, for example'],
    [{ at: '1.1', edit: { instructions: 'x' } }, 'InputRejected', 'fork at 1 or 2'],
    [{ at: '1.1', edit: { result: 1, arguments: {} } }, 'InputRejected', 'exclude each other'],
    [{ at: '1.1', edit: { result: { id: 'a' } } }, 'InputRejected', "required property 'state'"],
    [{ at: '1.2', edit: { result: 'x'.repeat(64_001) } }, 'InputRejected', '64001 characters'],
    [{ at: '2', edit: { model: ['a', 'a'] } }, 'InputRejected', 'names a model twice'],
    [{ at: '2', edit: { reply: {} } }, 'InputRejected', 'needs `text`, `calls` or `output`'],
    [{ at: '2', edit: { limits: { steps: 2_000 } } }, 'InputRejected', 'at most 1000'],
    [{ at: '2', edit: { rply: 'x' } as never }, 'InputRejected', '`edit.rply` is nothing to edit'],
    [{ at: '2', wrong: 1 } as never, 'InputRejected', '`wrong` is not an option'],
    [{ at: '2', key: '' }, 'InputRejected', '`key` must be a string of 1 to 256'],
    [{ at: '2', edit: { message: 7 } }, 'InputRejected', '`edit.message` must be a string'],
    [{ at: '1', edit: { message: '' } }, 'InputRejected', 'must be a string that is not empty'],
    [undefined as never, 'InputRejected', 'the options are undefined'],
  ];
  for (const [options, type, message] of wrong)
    await expect(parent.fork(options), JSON.stringify(options)).rejects.toMatchObject({
      type,
      message: expect.stringContaining(message),
    });
  await world.belayer.stop({ agent: 'clerk' }, { reason: 'closed' });
  await expect(parent.fork({ at: '2' })).rejects.toMatchObject({ type: 'StartStopped' });
  await world.belayer.lift({ agent: 'clerk' }, { reason: 'open' });
  expect(await world.belayer.runs({ limit: 1000 })).toHaveLength(runs);
  expect(await rowsOf(world, parent)).toBe(before);
});
