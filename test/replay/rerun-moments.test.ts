/** What a rerun learns from histories, held against what they themselves say. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readExported } from '../../testing/replay/read-exported.ts';
import { installQuietRuntime } from '../../testing/replay/quiet-runtime.ts';
import { startStrictReplay, type StrictReplay } from '../../testing/replay/strict-replay.ts';
import { wordsOfPeople } from '../../testing/rerun/words-of-people.ts';
import { attributesOf, type Exported, inPayload, payloadsOf } from './mutations.ts';

installQuietRuntime();

const folder = join(import.meta.dirname, 'histories');
const read = (file: string): Exported =>
  JSON.parse(readFileSync(join(folder, file), 'utf8')) as Exported;

let strict: StrictReplay;
beforeAll(async () => {
  strict = await startStrictReplay();
});
afterAll(() => strict.close());

const valueOf = (payloads: unknown): Record<string, unknown> => {
  let found: Record<string, unknown> = {};
  inPayload(payloadsOf(payloads)[0], (value) => (found = value as Record<string, unknown>));
  return found;
};

/** Positions of calls on the queue that were answered with a model's reply, as events have them. */
function repliesIn(exported: Exported): readonly string[] {
  const positions = new Map<string, string>();
  const replies: string[] = [];
  for (const { history } of exported.executions)
    for (const event of history.events) {
      const attributes = attributesOf(event);
      if (event.eventType.endsWith('ACTIVITY_TASK_SCHEDULED'))
        positions.set(String(event.eventId), String(valueOf(attributes['input'])['position']));
      if (!event.eventType.endsWith('ACTIVITY_TASK_COMPLETED')) continue;
      const result = valueOf(attributes['result']);
      const position = positions.get(String(attributes['scheduledEventId'])) ?? '';
      if (['calls', 'final', 'misfit', 'refused'].includes(String(result['kind'])))
        replies.push(position);
    }
  return replies;
}

// Of near models no event says where they stand.
const files = readdirSync(folder).filter((name) => name.endsWith('.json') && !/near|decided-and-ended/.test(name)); // prettier-ignore
test.each(files)('the replies that the run of %s took are those of its events', async (file) => {
  const exported = read(file);
  const taken: string[] = [];
  let head = '';
  await strict.replay(exported, {
    replied({ run, position, state }) {
      if (run !== exported.workflowId) return;
      taken.push(position);
      expect(state.transcript.head).not.toBe(head);
      head = state.transcript.head;
    },
  });
  expect(taken).toEqual(repliesIn(exported));
});

async function wordsIn(file: string) {
  const [run] = readExported(read(file));
  const launches: Parameters<typeof wordsOfPeople>[1][number][] = [];
  await strict.replay(read(file), {
    launched({ state, ...launch }) {
      const isTool = state.calls.some((call) => call.position === launch.position);
      if (!isTool) launches.push({ ...launch, step: state.step, isAnswered: false });
    },
    replied() {
      const last = launches.pop();
      if (last !== undefined) launches.push({ ...last, isAnswered: true });
    },
  });
  const words = (of = launches) =>
    wordsOfPeople(run, of).map(({ name, call, step, isDuringCall }) => ({ name, call, step, isDuringCall })); // prettier-ignore
  return { words: words(), hadNoneBeenAnswered: words(launches.map((launch) => ({ ...launch, isAnswered: false }))) }; // prettier-ignore
}

test('what people said is put behind the model call after which it was heard', async () => {
  const behindFirst = { call: 0, step: 0, isDuringCall: false };
  const paused = await wordsIn('paused-steered-and-resumed.json');
  expect(paused.words).toEqual([
    { name: 'pause', ...behindFirst },
    { name: 'steer', ...behindFirst },
    { name: 'resume', ...behindFirst },
  ]);
  // A call may be aborted and end before its run hears of the halt: it is still the call that was halted.
  expect(paused.hadNoneBeenAnswered.map((word) => word.isDuringCall)).toEqual([true, true, true]);
  expect((await wordsIn('halted-by-signal.json')).words).toEqual([
    { name: 'halt', call: 0, step: 0, isDuringCall: true },
  ]);
  expect((await wordsIn('session-interrupted.json')).words).toEqual([
    { name: 'send', ...behindFirst },
    { name: 'send', call: 1, step: 1, isDuringCall: true },
  ]);
  const { words: turns } = await wordsIn('session-of-many-turns.json');
  expect(turns).toHaveLength(2);
  expect(turns.map(({ step }) => step)).toEqual(turns.map(({ step }) => step).toSorted((a, b) => a - b)); // prettier-ignore
  expect((await wordsIn('answer.json')).words).toEqual([]);
});
