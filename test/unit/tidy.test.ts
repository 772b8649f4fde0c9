/** What no linter can check: that the lists in the docs and the code agree, and that limits say their units. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toolErrorCode } from '../../contracts/agent-run.ts';
import { failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' })
  .trim()
  .split('\n');

test('every failure type has its paragraph, and every paragraph its type', () => {
  const documented = [...read('docs/failures.md').matchAll(/^\*\*(\w+)\*\* - /gm)].map(
    ([, name]) => name,
  );
  expect(new Set(documented)).toEqual(new Set(Object.values(failureType)));
  expect(documented).toHaveLength(Object.values(failureType).length);
});

test('every tool error code is documented', () => {
  const documented = [...read('docs/failures.md').matchAll(/^\| `(\w+)` +\| /gm)].map(
    ([, code]) => code,
  );
  expect(new Set(documented)).toEqual(new Set(Object.values(toolErrorCode)));
});

test('every limit says its unit', () => {
  const units =
    /(Ms|Bytes|Chars|Days|Tokens|MicroUsd|Steps|Attempts|Calls|Max|Every|Factor|Depth|Repairs)/;
  for (const name of Object.keys(limits)) expect(name).toMatch(units);
});

test('no source has a mark of unfinished work or names a package registry', () => {
  const forbidden = new RegExp(
    ['FIX' + 'ME', 'registry\\.npm' + 'js', 'py' + 'pi\\.org'].join('|'),
  );
  for (const file of tracked.filter(
    (name) => /\.(ts|mjs|md|yml|json)$/.test(name) && name !== 'package-lock.json',
  ))
    expect(read(file), file).not.toMatch(forbidden);
});

test('Temporal’s packages and ours share one protobufjs, or histories cannot be read as JSON', async () => {
  const { historyFromJSON, historyToJSON } = await import('@temporalio/common/lib/proto-utils.js');
  const history = {
    events: [
      {
        eventId: '1',
        eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED',
        workflowExecutionSignaledEventAttributes: { signalName: 'halt' },
      },
    ],
  };
  const parsed = JSON.parse(historyToJSON(historyFromJSON(history))) as typeof history;
  expect(parsed.events).toMatchObject(history.events);
});
