/** Forks across continue-as-new, of forks, of sessions, at every kind of model position; and forks that lost their starter. */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { belayerOn } from '../../client/connect.ts';
import type { Run } from '../../client/index.ts';
import { readKeptHistory } from '../../storage/recordings/kept-histories.ts';
import { sha256 } from '../../storage/hash.ts';
import { fault, reply } from '../../testing/provider/index.ts';
import { clerks, ranOf } from '../support/clerks.ts';
import { eventually } from '../support/eventually.ts';
import { expectSound, lastMessages } from '../support/forks.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 40 } });
  await world.work(clerks);
});
afterAll(async () => world?.stop());

const contents = (): readonly (string | null)[] =>
  lastMessages(world).map(({ content }) => content);
const requests = (): number => world.provider.requests.length;
const archived = async (run: Run): Promise<void> => {
  await eventually(async () => {
    const [row] = await world.database.query<{ complete: boolean }>(
      {
        text: 'select a.complete from belayer.archive a join belayer.run r on r.no = a.run_no where r.id = $1',
      },
      [run.id],
    );
    return row?.complete;
  });
};

let long: Run;
const steps = 24;

test('a run is forked on both sides of every place where it continued as new', async () => {
  world.provider.script((request) =>
    request.messages.length > steps * 2
      ? reply.text('walked')
      : reply.tools({ order: { id: `${request.messages.length}` } }),
  );
  long = await world.belayer.start('clerk', { input: 'Walk.' });
  expect(await long.output()).toBe('walked');
  await archived(long);
  const [{ executions } = { executions: 0 }] = await world.database.query<{ executions: number }>(
    {
      text: 'select count(*)::int as executions from belayer.history h join belayer.run r on r.no = h.run_no where r.id = $1',
    },
    [long.id],
  );
  expect(executions).toBeGreaterThan(2);
  for (const step of [2, 9, 16, steps]) {
    const fork = await long.fork({ at: `${step}`, edit: { reply: `at ${step}` } });
    expect(await fork.output()).toBe(`at ${step}`);
    const before = requests();
    const read = await long.fork({ at: `${step}.1`, limits: { steps: 2 } });
    await read.outcome();
    expect(ranOf(read)[0]).toBe(`${step}.1 ${step * 2}`);
    expect(world.provider.requests[before]?.json.messages).toHaveLength(step * 2 + 2);
    await expectSound(world, read, requests() - before);
  }
});

test('a fork goes on over continue-as-new itself', async () => {
  const before = requests();
  const fork = await long.fork({ at: '3.1', edit: { result: { id: '6', state: 'x' } } });
  expect(await fork.output()).toBe('walked');
  expect(ranOf(fork)).toHaveLength(steps - 3);
  await expectSound(world, fork, requests() - before);
});

test('a fork of a fork of a fork reads one transcript through all of them', async () => {
  world.provider.script((request) =>
    request.messages.length > 14
      ? reply.text('end')
      : reply.tools({ order: { id: `${request.messages.length}` } }),
  );
  const prompts = new Map<Run, number>();
  const forked = async (run: Run, options: Parameters<Run['fork']>[0]): Promise<Run> => {
    const before = requests();
    const fork = await run.fork(options);
    await fork.output();
    prompts.set(fork, requests() - before);
    return fork;
  };
  const first = await forked(long, { at: '3', edit: { message: 'first' } });
  const second = await forked(first, {
    at: '5.1',
    edit: { result: { id: 'z', state: 'second' } },
  });
  const third = await forked(second, { at: '5.1', edit: { arguments: { id: 'third' } } });
  await forked(third, { at: '6', edit: { instructions: 'Fourth.' } });
  expect(contents().slice(0, 2)).toEqual(['Fourth.', 'Walk.']);
  expect(contents()).toContain('first');
  expect(contents()).toContain('{"id":"third","state":"open"}');
  expect(contents()).not.toContain('{"id":"z","state":"second"}');
  expect(ranOf(third)[0]).toBe('5.1 third');
  for (const [fork, sent] of prompts) await expectSound(world, fork, sent);
  await expect(third.fork({ at: '2' })).rejects.toMatchObject({
    type: 'ForkRejected',
    message: expect.stringContaining(`its own history begins there: fork \`${long.id}\` at \`2\``),
  });
});

test('a fork at a repair, at a fallback and at the first call of an agent with a schema and a function', async () => {
  world.provider.script((request) => {
    if (request.model === 'test-model' && request.messages.length === 6) return fault.rateLimited({ retryAfterMs: 1 }); // prettier-ignore
    if (request.messages.length === 2) return reply.tools({ order: { id: 'a' } });
    return request.messages.length === 4
      ? reply.text('no json')
      : reply.json({ text: request.model });
  });
  const parent = await world.belayer.start('scholar', { input: { about: 'cats' } });
  expect(await parent.output()).toEqual({ text: 'other-model' });
  const ask = async (options: Parameters<Run['fork']>[0]): Promise<unknown> => {
    const before = requests();
    const fork = await parent.fork(options);
    const output = await fork.output();
    await expectSound(world, fork, requests() - before);
    return output;
  };
  world.provider.script(() => reply.json({ text: 'forked' }));
  expect(await ask({ at: '2/repair-1', edit: { message: 'Please.' } })).toEqual({ text: 'forked' });
  expect(contents().slice(-2)).toEqual([expect.stringContaining('not valid JSON'), 'Please.']);
  expect(contents()[0]).toBe('Write about cats.');
  expect(await ask({ at: '2/repair-1-fallback-1' })).toEqual({ text: 'forked' });
  expect(world.provider.requests.at(-1)?.json.model).toBe('other-model');
  expect(await ask({ at: '2/repair-1', edit: { reply: { output: { text: 'given' } } } })).toEqual({ text: 'given' }); // prettier-ignore
  expect(await ask({ at: '1', edit: { message: { about: 'dogs' } } })).toEqual({ text: 'forked' });
  expect(contents()).toEqual(['Write about dogs.', '{"about":"dogs"}']);
  expect(await ask({ at: '1', edit: { message: '{"about":"owls"}', instructions: 'Sing.' } })).toEqual({ text: 'forked' }); // prettier-ignore
  expect(contents()).toEqual(['Sing.', '{"about":"owls"}']);
  await expect(parent.fork({ at: '1', edit: { message: { about: 7 } } })).rejects.toMatchObject({ type: 'InputRejected' }); // prettier-ignore
});

test('near model calls are given their replies as well', async () => {
  world.provider.script([
    reply.tools({ order: { id: 'a' } }),
    reply.text('done'),
    reply.text('near'),
  ]);
  const parent = await world.belayer.start('near-clerk', { input: 'Near.' });
  await parent.output();
  const fork = await parent.fork({ at: '1.1', edit: { result: { id: 'a', state: 'near' } } });
  expect(await fork.output()).toBe('near');
  await expectSound(world, fork, 1);
});

test('a session is forked in a later turn, with other words, and is talked to from there', async () => {
  world.provider.script((request) => reply.text(`heard ${request.messages.length}`));
  const turn = await world.belayer.send('talker', { session: 's', message: 'one' });
  expect(await turn.output()).toBe('heard 2');
  const second = await world.belayer.send('talker', { session: 's', message: 'two' });
  expect(await second.output()).toBe('heard 4');
  const fork = await turn.run.fork({ at: '2', edit: { message: 'zwei' }, limits: { steps: 1 }, key: 'forked' }); // prettier-ignore
  expect(await fork.turn(2).output()).toBe('heard 4');
  expect(contents()).toEqual(['Talk.', 'one', 'heard 2', 'zwei']);
  // The limit of steps is each turn's.
  const third = await world.belayer.send('talker', { session: 'forked', message: 'drei' });
  expect(third.run.id).toBe(fork.id);
  expect(await third.output()).toBe('heard 6');
  expect(contents().slice(3)).toEqual(['zwei', 'heard 4', 'drei']);
  const original = await turn.run.send('three');
  expect(await original.output()).toBe('heard 6');
  expect(contents()).toContain('two');
  for (const run of [fork, turn.run]) await run.halt('done');
  expect(await fork.outcome()).toMatchObject({ because: 'halted' });
  await expectSound(world, fork, 2);
});

test('a fork whose starter died before its workflow was started is started by a sweep', async () => {
  world.provider.script([reply.text('swept')]);
  await archived(long);
  const dead = belayerOn({
    settings: world.belayer.settings,
    database: world.database,
    temporal: Object.assign(Object.create(world.temporal) as World['temporal'], {
      withDeadline: () => Promise.reject(new Error('the starter died')),
    }),
    by: 'tester',
    eagerStart: false,
    close: () => Promise.resolve(),
  });
  const parent = await dead.run(long.id);
  await expect(parent.fork({ at: '4', key: 'orphan' })).rejects.toMatchObject({ type: 'ServerUnreachable' }); // prettier-ignore
  const fork = await parent.fork({ at: '4', key: 'orphan' });
  expect(await (await world.belayer.run(fork.id)).output()).toBe('swept');
  await expectSound(world, fork, 1);
});

/** The input of the first model call, changed. */
function withOtherTimeout(history: string): string {
  return history.replaceAll(/"data":\s*"([^"]+)"/g, (whole, data: string) => {
    const text = Buffer.from(data, 'base64').toString();
    if (!text.startsWith('{"position":"1"')) return whole;
    return `"data":"${Buffer.from(text.replace(/"timeoutMs":\d+/, '"timeoutMs":1')).toString('base64')}"`;
  });
}

test('a history that today’s code would not have made, or that is gone, is forked nowhere behind that', async () => {
  world.provider.script([
    reply.tools({ order: { id: 'a' } }),
    reply.text('done'),
    reply.text('early'),
  ]);
  const parent = await world.belayer.start('clerk', { input: 'Differ.' });
  await parent.output();
  await archived(parent);
  const history = await readKeptHistory(world.database, parent.id, 1);
  const write = (text: string): Promise<unknown> =>
    world.database.query(
      {
        text: 'update belayer.history set body = $2, sha256 = $3, bytes = $4 where run_no = (select no from belayer.run where id = $1)',
      },
      [parent.id, gzipSync(text), sha256(text), Buffer.byteLength(text)],
    );
  await write(withOtherTimeout(history));
  await expect(parent.fork({ at: '2' })).rejects.toMatchObject({
    type: 'ForkRejected',
    message: expect.stringContaining("today's code would not have come there"),
  });
  const fork = await parent.fork({ at: '1' });
  expect(await fork.output()).toBe('early');
  await world.database.query(
    {
      text: 'update belayer.archive set removed_at = clock_timestamp(), removed_days = 30 where run_no = (select no from belayer.run where id = $1)',
    },
    [parent.id],
  );
  await expect(parent.fork({ at: '1' })).rejects.toMatchObject({ type: 'RecordingExpired' });
});
