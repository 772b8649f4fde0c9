import { bundleWorkflowCode, Worker, type WorkflowBundle } from '@temporalio/worker';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { installQuietRuntime } from '../../testing/replay/quiet-runtime.ts';
import { bundleWorkflows } from '../../workers/workflow-bundle.ts';
import type { Exported } from '../replay/mutations.ts';
import { scenarios } from '../replay/scenarios.ts';

// The way that `docs/replay.md` documents for those who want nothing but Temporal's own replay.
installQuietRuntime();

const recorded = (name: string): Exported =>
  JSON.parse(
    readFileSync(join(import.meta.dirname, '../replay/histories', `${name}.json`), 'utf8'),
  ) as Exported;

interface Replayable {
  readonly workflowId: string;
  readonly history: unknown;
}
const histories = (): readonly Replayable[] =>
  scenarios.flatMap(({ name }) => {
    const { workflowId, executions } = recorded(name);
    return executions.map(({ history }) => ({ workflowId, history }));
  });

async function replayed(
  options: { readonly workflowBundle: WorkflowBundle },
  given: readonly Replayable[],
): Promise<readonly string[]> {
  const refused: string[] = [];
  for await (const { workflowId, error } of Worker.runReplayHistories(options, given))
    if (error !== undefined) refused.push(`${workflowId}: ${error.name}`);
  return refused;
}

let packed: WorkflowBundle;
beforeAll(async () => {
  packed = { code: await bundleWorkflows('run') };
});

test('Temporal’s own replay takes every recorded history with the bundle that is packed', async () => {
  expect(histories().length).toBeGreaterThan(scenarios.length);
  expect(await replayed({ workflowBundle: packed }, histories())).toEqual([]);
});

test('and with the workflows as Temporal bundles them by itself', async () => {
  const own = await bundleWorkflowCode({
    workflowsPath: join(import.meta.dirname, '../../workflows/index.ts'),
    logger: silent,
  });
  expect(await replayed({ workflowBundle: own }, histories())).toEqual([]);
});

test('a history with another activity where a model was called is refused', async () => {
  const text = readFileSync(
    join(import.meta.dirname, '../replay/histories', 'answer.json'),
    'utf8',
  );
  const { workflowId, executions } = JSON.parse(
    text.replaceAll('"name": "callModel"', '"name": "runTool"'),
  ) as Exported;
  const changed = executions.map(({ history }) => ({ workflowId, history }));
  const refused = await replayed({ workflowBundle: packed }, changed);
  expect(refused).toEqual([`${workflowId}: DeterminismViolationError`]);
});

const nothing = (): void => undefined;
const silent = {
  log: nothing,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
};
