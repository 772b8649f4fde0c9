import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { replay } from '../../testing/index.ts';
import { scenarios } from './scenarios.ts';

// Replays that are meant to fail are not worth a page of log.
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: {
    logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'ERROR' }) },
  },
});

const folder = join(import.meta.dirname, 'histories');
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const sources = JSON.parse(
  readFileSync(join(import.meta.dirname, 'sources.json'), 'utf8'),
) as Record<string, { readonly scenario: string; readonly sha256: string }>;

test('every scenario has a recorded history, and every history its provenance', () => {
  expect(files.toSorted()).toEqual(scenarios.map(({ name }) => `${name}.json`).toSorted());
  expect(Object.keys(sources).toSorted()).toEqual(files.toSorted());
});

describe('recorded histories', () => {
  test.each(files)('%s replays on today’s code, and is what was recorded', async (file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    expect(createHash('sha256').update(text).digest('hex')).toBe(sources[file]?.sha256);
    await replay(text);
  });
});

describe('histories that today’s code would not have made are refused', () => {
  const parallel = readFileSync(join(folder, 'parallel-tools.json'), 'utf8');

  test('another activity where the run called its model', async () => {
    await expect(replay(parallel.replaceAll('"callModel"', '"callOther"'))).rejects.toThrow(
      /[Nn]ondeterminism/,
    );
  });

  test('a run that ended where today’s code would go on', async () => {
    const exported = JSON.parse(parallel) as {
      executions: { history: { events: { eventType: string }[] } }[];
    };
    const [execution] = exported.executions;
    const events = execution?.history.events ?? [];
    const completed = events.findIndex(({ eventType }) =>
      eventType.includes('ACTIVITY_TASK_COMPLETED'),
    );
    const ended = events.at(-1);
    if (execution === undefined || ended === undefined) throw new Error('the history has events');
    // Cut behind the first task of the workflow, and ended there.
    execution.history.events = [...events.slice(0, 4), { ...ended, eventId: '5' } as never];
    expect(completed).toBeGreaterThan(4);
    await expect(replay(exported)).rejects.toThrow(/[Nn]ondeterminism/);
  });
});

test('what is no history is refused by name', async () => {
  await expect(replay({ hello: 1 })).rejects.toThrow(TypeError);
});
