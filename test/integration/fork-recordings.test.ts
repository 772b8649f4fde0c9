/** Recordings of forks stand alone, and imported runs are forked where a worker has their agent. */
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Run } from '../../client/index.ts';
import { exportRecording } from '../../client/recordings/export-recording.ts';
import { importRecording } from '../../client/recordings/import-recording.ts';
import { promptBytes } from '../../client/commands/prompt-bytes.ts';
import { readForkTree } from '../../storage/forks/fork-tree.ts';
import { readPrompt } from '../../storage/reading-runs.ts';
import { readRecording } from '../../storage/recordings/read-recording.ts';
import { replay, reply, rerun } from '../../testing/index.ts';
import { clerks, ranOf } from '../support/clerks.ts';
import { expectSound, lastMessages } from '../support/forks.ts';
import { partsOf } from '../support/parts-of.ts';
import { createWorld, type World } from '../support/world.ts';

let here: World;
let there: World;
let parent: Run;
let fork: Run;

beforeAll(async () => {
  [here, there] = await Promise.all([createWorld(), createWorld()]);
  await here.work(clerks);
  here.provider.script([
    reply.tools({ order: { id: 'a' } }),
    reply.tools({ pay: { amount: 5 }, order: { id: 'b' } }),
    reply.text('done'),
    reply.text('forked'),
    reply.text('forked again'),
  ]);
  parent = await here.belayer.start('clerk', { input: 'Go, secret-word.' });
  await parent.output();
  const first = await parent.fork({
    at: '2',
    edit: { message: 'To you.', reply: { calls: [{ tool: 'order', arguments: { id: 'c' } }] } },
  });
  await first.output();
  fork = await first.fork({ at: '3', edit: { instructions: 'Anew.' }, reason: 'to compare' });
  await fork.output();
});
afterAll(async () => {
  await here?.stop();
  await there?.stop();
});

async function record(run: Run, patterns: readonly RegExp[] = []): Promise<Buffer> {
  let text = '';
  await exportRecording(partsOf(here), run.id, { patterns }, (line) => {
    text += line;
  });
  return Buffer.from(text);
}
const put = (bytes: Buffer) => importRecording(partsOf(there), Readable.from([bytes]));

test('the recording of a fork holds what it shares, verifies, replays strictly and shows its prompts', async () => {
  const bytes = await record(fork);
  const { lines } = readRecording(bytes);
  expect(lines.filter(({ part }) => part === 'run').map(({ run }) => run)).toEqual([fork.id]);
  expect(lines.filter(({ part }) => part === 'segment')).toEqual([]);
  expect(lines.find(({ part }) => part === 'run')?.body).toMatchObject({
    fork_at: '3',
    fork: { by: 'tester', reason: 'to compare', edit: 'instructions of 5 characters' },
  });
  await replay(bytes.toString());
  expect(await put(bytes)).toMatchObject({ isNew: true, runs: [fork.id], prompts: 1 });
  const shown = await readPrompt(there.database, fork.id, '3');
  const sent = here.provider.requests.at(-1)?.body;
  expect(shown === undefined ? '' : promptBytes(shown, 'it')).toBe(sent);
  const [row, ...others] = await readForkTree(there.database, fork.id);
  expect(row).toMatchObject({ id: fork.id, forkAt: '3', forkEdit: 'instructions of 5 characters' });
  expect(others).toEqual([]);
  expect(await put(bytes)).toMatchObject({ isNew: false });
});

test('an imported run is forked once a worker here has published its agent, and does nothing again', async () => {
  await put(await record(parent));
  const imported = await there.belayer.run(parent.id);
  await expect(imported.fork({ at: '2.2' })).rejects.toMatchObject({
    type: 'AgentUnknown',
    message: expect.stringContaining('agent `clerk`'),
  });
  await there.work(clerks);
  there.provider.script([reply.text('over there'), reply.text('and again')]);
  const forked = await imported.fork({ at: '2.2' });
  expect(await forked.output()).toBe('over there');
  expect(ranOf(forked)).toEqual(['2.2 b']);
  await expectSound(there, forked, 1);
  // A fork that came by a recording is a parent as any other.
  const again = await (await there.belayer.run(fork.id)).fork({ at: '3' });
  expect(await again.output()).toBe('and again');
  expect(lastMessages(there).map(({ content }) => content)).toEqual(['Anew.', 'Go, secret-word.', null, '{"id":"a","state":"open"}', 'To you.', null, '{"id":"c","state":"open"}']); // prettier-ignore
  await expectSound(there, again, 1);
});

test('what was redacted is not told to a model as if it had been said', async () => {
  here.provider.script([reply.text('done')]);
  const run = await here.belayer.start('clerk', { input: 'My secret-word.' });
  await run.output();
  const bytes = await record(run, [/secret-word/]);
  expect(bytes.toString()).not.toContain('secret-word');
  await put(bytes);
  const imported = await there.belayer.run(run.id);
  await expect(imported.fork({ at: '1' })).rejects.toMatchObject({ type: 'ContentRedacted' });
});

test('a fork is rerun from its recording, with what it was given, and does nothing again', async () => {
  here.provider.script([
    reply.tools({ order: { id: 'a' }, pay: { amount: 7 } }),
    reply.text('paid'),
    reply.tools({ pay: { amount: 8 } }),
    reply.text('paid more'),
  ]);
  const run = await here.belayer.start('clerk', { input: 'Pay.' });
  await run.output();
  const forked = await run.fork({ at: '1.1', edit: { result: { id: 'a', state: 'lost' } } });
  expect(await forked.output()).toBe('paid more');
  const before = [...ranOf(run), ...ranOf(forked)];
  for (const made of [run, forked]) {
    const result = await rerun(clerks, await record(made), { environment: {} });
    expect(result).toMatchObject({ run: made.id, verdict: 'unchanged' });
    // What it was given was never sent.
    const sent = result.calls.filter(({ recorded }) => recorded !== undefined);
    expect(sent).toHaveLength(2);
    expect(sent.every(({ recorded, now }) => recorded === now)).toBe(true);
  }
  expect([...ranOf(run), ...ranOf(forked)]).toEqual(before);

  const side = await here.belayer.diff(run.id, forked.id);
  console.log(
    JSON.stringify(
      side.calls.map(({ position, a, b, differences }) => ({
        position,
        a: a && { ...a, prompt: undefined },
        b: b && { ...b, prompt: undefined },
        differences,
      })),
      null,
      1,
    ).slice(0, 6000),
  );
  expect(side).toMatchObject({ same: false, partsAt: '1.1', decisionsPartAt: '1.1' });
  const of = ({ calls }: typeof side) =>
    calls.map(({ position, a, b }) => `${(a ?? b)?.kind} ${position}`);
  const all = ['words 1', 'model 1', 'tool 1.1', 'tool 1.2', 'model 2', 'tool 2.1', 'model 3'];
  expect(of(side)).toEqual(all);
  // In files of their own as well: the fork's parent is on the other side.
  const files = {
    run: { recording: await record(run) },
    fork: { recording: await record(forked) },
  };
  const byFile = await here.belayer.diff(files.run, files.fork);
  expect(of(byFile)).toEqual(all);
  expect(byFile.partsAt).toBe('1.1');
  // Another fork of it knows of no parent: they are compared from where it begins.
  const other = await forked.fork({ at: '3', edit: { reply: 'otherwise' } });
  expect(await other.output()).toBe('otherwise');
  const alone = await there.belayer.diff(files.fork, { recording: await record(other) });
  expect(alone.b).toMatchObject({ fork: { run: forked.id, at: '3' } });
  expect(alone.b.alone).toBeUndefined();
  expect(alone.decisionsPartAt).toBe('3');
  const apart = await there.belayer.diff(files.run, { recording: await record(other) });
  expect(apart.b).toMatchObject({ alone: true, fork: { at: '3' } });
  expect(of(apart)).toEqual(['model 3']);
});
