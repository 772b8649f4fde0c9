import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { replay, ReplayDiffers } from '../../testing/index.ts';
import { installQuietRuntime } from '../../testing/replay/quiet-runtime.ts';
import { startStrictReplay, type StrictReplay } from '../../testing/replay/strict-replay.ts';
import { anyChange } from './any-change.ts';
import { attributesOf, eventOf, type Exported, mutations } from './mutations.ts';
import { scenarios } from './scenarios.ts';

// Replays that are meant to fail are not worth a page of log.
installQuietRuntime();

const folder = join(import.meta.dirname, 'histories');
const negatives = join(import.meta.dirname, 'negative');
const jsonIn = (where: string): string[] =>
  readdirSync(where).filter((name) => name.endsWith('.json') && name !== 'sources.json');
const readJson = <Shape>(...path: string[]): Shape =>
  JSON.parse(readFileSync(join(...path), 'utf8')) as Shape;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const files = jsonIn(folder);
const sources = readJson<Record<string, { readonly sha256: string }>>(
  import.meta.dirname,
  'sources.json',
);

// One worker for all: making one costs more than a replay.
let strict: StrictReplay;
beforeAll(async () => {
  strict = await startStrictReplay();
});
afterAll(() => strict.close());

test('every scenario has a recorded history, and every history its provenance', () => {
  expect(files.toSorted()).toEqual(scenarios.map(({ name }) => `${name}.json`).toSorted());
  expect(Object.keys(sources).toSorted()).toEqual(files.toSorted());
});

describe('recorded histories', () => {
  test.each(files)(
    '%s replays strictly on today’s code, and is what was recorded',
    async (file) => {
      const text = readFileSync(join(folder, file), 'utf8');
      expect(sha256(text)).toBe(sources[file]?.sha256);
      expect((await strict.replay(text)).difference).toBeUndefined();
    },
  );

  test.each(files)(
    '%s is refused with any one value changed, where it was changed',
    async (file) => {
      const { exported, change } = anyChange(readJson<Exported>(folder, file), files.indexOf(file));
      const { difference } = await strict.replay(exported);
      expect(difference, change.what).toMatchObject({
        execution: change.execution,
        eventId: change.eventId,
      });
    },
  );
});

describe('strict replay finds, and says where', () => {
  test.each(mutations)('$name ($from)', async ({ from, change, found }) => {
    const exported = readJson<Exported>(folder, from);
    change(exported);
    const { difference } = await strict.replay(exported);
    expect(difference).toMatchObject(found);
  });
});

interface NegativeSource {
  readonly from: string;
  readonly change: string;
  readonly position: string;
  readonly path: string;
  readonly sha256: string;
}

describe('histories that are kept to be refused', () => {
  const provenance = readJson<Record<string, NegativeSource>>(negatives, 'sources.json');

  test('each has its provenance', () => {
    expect(jsonIn(negatives).toSorted()).toEqual(Object.keys(provenance).toSorted());
  });

  test.each(Object.entries(provenance))('%s is refused at its position', async (file, source) => {
    const text = readFileSync(join(negatives, file), 'utf8');
    expect(sha256(text)).toBe(source.sha256);
    const refused = await replay(text).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ReplayDiffers);
    const { difference, message } = refused as ReplayDiffers;
    expect(difference).toMatchObject({ position: source.position, path: source.path });
    expect(message).toContain(source.position);
  });
});

test('an execution that was reset, and so has another id, still follows the one before it', async () => {
  const exported = readJson<Exported>(folder, 'continued-as-new.json');
  const [, second, third] = exported.executions;
  second!.runId = 'reset';
  attributesOf(third!.history.events[0]!)['continuedExecutionRunId'] = 'reset';
  expect((await strict.replay(exported)).difference).toBeUndefined();
  attributesOf(third!.history.events[0]!)['continuedExecutionRunId'] = 'another';
  expect((await strict.replay(exported)).difference).toMatchObject({
    what: 'executions',
    execution: 3,
    path: 'continuedFrom',
  });
});

test('what Temporal says of a history that it refuses is one sentence, without a stack trace', async () => {
  const exported = readJson<Exported>(folder, 'answer.json');
  eventOf(exported, 'ACTIVITY_TASK_SCHEDULED')['activityType'] = { name: 'callOther' };
  const { difference } = await strict.replay(exported);
  expect(difference?.temporal).toMatch(
    /^DeterminismViolationError: .*Nondeterminism error.*callOther/,
  );
  expect(difference?.temporal).not.toMatch(/stack_trace|Failure \{/);
});

test('what is no history is refused by name', async () => {
  await expect(replay({ hello: 1 })).rejects.toThrow(TypeError);
  await expect(replay('no JSON')).rejects.toThrow('A history is JSON');
  await expect(replay({ events: [] })).rejects.toThrow('this one has none');
});
