/**
 * The only writer of `histories/`: runs the scenarios on real servers and keeps what Temporal
 * recorded. A file that is there is evidence and is never written again; `sources.json` says which
 * commit and scenario wrote each, with its SHA-256.
 */
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createWorld, type World } from '../support/world.ts';
import { carryOut } from './carry-out.ts';
import { app, type Scenario, scenarios } from './scenarios.ts';

const folder = join(import.meta.dirname, 'histories');
const sourcesFile = join(import.meta.dirname, 'sources.json');

interface Source {
  readonly scenario: string;
  readonly commit: string;
  readonly recorded: string;
  readonly sha256: string;
}

const sources: Record<string, Source> = existsSync(sourcesFile)
  ? (JSON.parse(readFileSync(sourcesFile, 'utf8')) as Record<string, Source>)
  : {};
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
const world = await createWorld({
  dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 60 },
});
try {
  await world.work(app);
  for (const scenario of scenarios) {
    const name = `${scenario.name}.json`;
    if (existsSync(join(folder, name))) continue;
    const text = await record(world, scenario);
    writeFileSync(join(folder, name), text);
    sources[name] = {
      scenario: scenario.name,
      commit,
      recorded: new Date().toISOString().slice(0, 10),
      sha256: createHash('sha256').update(text).digest('hex'),
    };
    console.log(`recorded ${name}`);
  }
} finally {
  await world.stop();
}
writeFileSync(sourcesFile, `${JSON.stringify(sources, null, 2)}\n`);

async function record(within: World, scenario: Scenario): Promise<string> {
  const run = await carryOut(within, scenario);
  const handle = within.temporal.workflow.getHandle(run.id);
  const executions: { runId: string; history: unknown }[] = [];
  let runId: string | undefined =
    (await handle.describe()).raw.workflowExecutionInfo?.firstRunId ?? undefined;
  while (runId !== undefined && runId !== '') {
    const history = await within.temporal.workflow.getHandle(run.id, runId).fetchHistory();
    executions.push({ runId, history: JSON.parse(historyToJSON(history)) as unknown });
    const last = history.events?.at(-1);
    runId = last?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
  // Where it was recorded is nobody's business, and no replay looks at it: stack traces and host names go.
  const text = JSON.stringify(
    { workflowId: run.id, executions },
    (key, value: unknown) => (key === 'stackTrace' ? undefined : value),
    1,
  );
  return `${text}\n`.replaceAll(hostname(), 'recorder');
}
