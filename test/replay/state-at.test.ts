import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallModelInput } from '../../contracts/agent-run.ts';
import { stateAt } from '../../testing/replay/state-at.ts';
import { installQuietRuntime } from '../../testing/replay/quiet-runtime.ts';
import { startStrictReplay, type StrictReplay } from '../../testing/replay/strict-replay.ts';
import { attributesOf, eventOf, type Exported, inPayload, payloadsOf } from './mutations.ts';

installQuietRuntime();

const folder = join(import.meta.dirname, 'histories');
const read = (file: string): Exported =>
  JSON.parse(readFileSync(join(folder, file), 'utf8')) as Exported;

let strict: StrictReplay;
beforeAll(async () => {
  strict = await startStrictReplay();
});
afterAll(() => strict.close());

/** What model calls on the queue were given, by the history's own word. */
function modelCalls(exported: Exported): (CallModelInput & { execution: number })[] {
  return exported.executions.flatMap(({ history }, index) =>
    history.events.flatMap((event) => {
      if (!event.eventType.endsWith('ACTIVITY_TASK_SCHEDULED')) return [];
      const attributes = attributesOf(event);
      if ((attributes['activityType'] as { name: string }).name !== 'callModel') return [];
      let input: unknown;
      inPayload(payloadsOf(attributes['input'])[0], (value) => (input = value));
      return [{ ...(input as CallModelInput), execution: index + 1 }];
    }),
  );
}

describe('the state at a model call', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  test.each(files)('holds what the call of %s was given, in its execution', async (file) => {
    const exported = read(file);
    const last = modelCalls(exported).at(-1);
    // Near calls leave no input in a history.
    if (last === undefined) return;
    const found = await stateAt(strict, exported, last.position);
    expect(found).toMatchObject({ run: exported.workflowId, position: last.position });
    const first = modelCalls(exported).find(({ position }) => position === last.position);
    expect(found?.execution).toBe(first?.execution);
    expect(found?.state.transcript).toEqual(first?.transcript);
    expect(found?.state.entries).toEqual(first?.entries);
    expect(found?.state.inFlight).toContain(last.position);
  });
});

test('the state behind continue as new goes on from what was carried', async () => {
  const exported = read('continued-as-new.json');
  let carried: { step: number; spent: unknown; executions: number } | undefined;
  inPayload(
    payloadsOf(eventOf(exported, 'WORKFLOW_EXECUTION_STARTED', 1, 3)['input'])[0],
    (value) => {
      carried = value['carried'] as typeof carried;
    },
  );
  const found = await stateAt(strict, exported, `${(carried?.step ?? 0) + 1}`);
  expect(found).toMatchObject({
    execution: 3,
    state: { step: carried?.step, spent: carried?.spent, executions: carried?.executions },
  });
});

test('there is no state at a call that a history does not reach', async () => {
  const exported = read('parallel-tools.json');
  expect(await stateAt(strict, exported, '9')).toBeUndefined();
  const events = exported.executions[0]?.history.events ?? [];
  const completed = events.findIndex(({ eventType }) => eventType.endsWith('TASK_COMPLETED'));
  // A run that goes on: cut behind its first workflow task.
  exported.executions[0]!.history.events = events.slice(0, completed + 2);
  expect(await stateAt(strict, exported, '1')).toMatchObject({ state: { step: 0 } });
  expect(await stateAt(strict, exported, '2')).toBeUndefined();
});

test('where today’s code differs before a step, its state is refused; behind it, it is shown', async () => {
  const exported = read('cost-limit.json');
  const calls = modelCalls(exported);
  const scheduled = calls.findIndex(({ position }) => position === '3');
  expect(scheduled).toBeGreaterThan(0);
  const third = exported.executions[0]!.history.events.filter((event) =>
    event.eventType.endsWith('ACTIVITY_TASK_SCHEDULED'),
  )[scheduled]!;
  inPayload(payloadsOf(attributesOf(third)['input'])[0], (value) => {
    value['timeoutMs'] = 1;
  });
  expect(await stateAt(strict, exported, '2')).toMatchObject({ state: { step: 1 } });
  await expect(stateAt(strict, exported, '4')).rejects.toThrow('differs at 3');
});
