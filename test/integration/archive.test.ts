/** Histories outlive Temporal's retention: it is played here by deleting executions from Temporal. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { exportRecording } from '../../client/recordings/export-recording.ts';
import { fetchUnarchived, readHistories } from '../../client/recordings/read-histories.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { removeOldHistories, takeToArchive } from '../../storage/recordings/archive.ts';
import { readRecording } from '../../storage/recordings/read-recording.ts';
import { replay } from '../../testing/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { startArchiver } from '../../workers/archiver.ts';
import { createLog } from '../../workers/log.ts';
import { eventually } from '../support/eventually.ts';
import { type Payments, startPayments } from '../support/payments.ts';
import { killWorkerProcesses, startWorkerProcess } from '../support/worker-process.ts';
import { partsOf } from '../support/parts-of.ts';
import { createWorld, type World } from '../support/world.ts';

const lookup = defineTool({
  name: 'lookup',
  description: 'Look up.',
  effect: 'read',
  placement: 'queue',
  input: z.object({ id: z.string() }),
  run: ({ id }) => ({ id }),
});
const looker = defineAgent({ name: 'looker', instructions: 'Look.', tools: [lookup] });
const talker = defineAgent({
  name: 'talker',
  instructions: 'Talk.',
  tools: [lookup],
  session: { idle: '1 day' },
});

let world: World;
let payments: Payments;
beforeAll(async () => {
  world = await createWorld({
    temporalInMemory: false,
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 25 },
  });
  payments = await startPayments();
  await world.work(defineApp({ agents: [looker, talker] }), { taskQueue: 'belayer' });
});
afterEach(() => killWorkerProcesses());
afterAll(async () => {
  await payments?.stop();
  await world?.stop();
});

const parts = () => partsOf(world);

async function aLongRun(): Promise<string> {
  world.provider.script([
    ...Array.from({ length: 6 }, (_, index) => reply.tools({ lookup: { id: `A-${index}` } })),
    reply.text('Looked.'),
  ]);
  const run = await world.belayer.start('looker', { input: 'Look.' });
  expect(await run.output()).toBe('Looked.');
  return run.id;
}

interface ArchiveRow {
  readonly complete: boolean;
  readonly kept: number;
  readonly removed: boolean;
  readonly due: boolean;
}
async function archiveOf(run: string): Promise<ArchiveRow | undefined> {
  const [row] = await world.database.query<ArchiveRow>(
    {
      text: `select a.complete, a.removed_at is not null as removed, a.due_at is not null as due,
          (select count(*) from belayer.history h where h.run_no = r.no) as kept
        from belayer.run r join belayer.archive a on a.run_no = r.no where r.id = $1`,
    },
    [run],
  );
  return row;
}
const archived = (run: string): Promise<boolean> =>
  eventually(async () => (await archiveOf(run))?.complete === true);

/** What Temporal's retention does. */
async function forget(run: string): Promise<void> {
  const { executions } = await fetchUnarchived(world.temporal, run, { kept: [] });
  for (const { runId } of executions) await forgetExecution(run, runId);
  // Temporal deletes in its own time.
  const handle = world.temporal.workflow.getHandle(run);
  const isGone = (): Promise<boolean> =>
    handle.describe().then(
      () => false,
      () => true,
    );
  await eventually(isGone, 90_000);
}

async function forgetExecution(run: string, runId: string): Promise<void> {
  await world.temporal.workflowService.deleteWorkflowExecution({
    namespace: world.temporal.options.namespace,
    workflowExecution: { workflowId: run, runId },
  });
}

async function recordingOf(run: string) {
  let text = '';
  await exportRecording(parts(), run, {}, (line) => {
    text += line;
  });
  return readRecording(text);
}

test('a run is archived when it has ended, and exported and replayed after Temporal has forgotten it', async () => {
  const run = await aLongRun();
  const before = await recordingOf(run);
  expect(before.executions.length).toBeGreaterThan(1);
  const endedMs = Date.now();
  await archived(run);
  console.log(`archived ${Date.now() - endedMs} ms after the end, ${before.executions.length} executions`); // prettier-ignore
  expect(await archiveOf(run)).toMatchObject({ kept: before.executions.length, due: false });
  await forget(run);
  const after = await recordingOf(run);
  expect(after.executions).toEqual(before.executions);
  expect((await readHistories(parts(), run)).map(({ number, closed, source }) => [number, closed, source])).toEqual(before.executions.map((_, index) => [index + 1, index === before.executions.length - 1 ? 'ended' : 'continued', 'archive'])); // prettier-ignore
  await replay({ workflowId: after.workflowId, executions: [...after.executions] });
});

test('executions that a running conversation has left behind are archived too', async () => {
  let run = '';
  for (const word of ['one', 'two', 'three', 'four']) {
    world.provider.script([reply.tools({ lookup: { id: word } }), reply.text(word)]);
    const turn = await world.belayer.send('talker', { session: 'long', message: word });
    expect(await turn.output()).toBe(word);
    run = turn.run.id;
  }
  const whole = await readHistories(parts(), run);
  expect(whole.at(-1)?.closed).toBe('open');
  const closed = whole.filter((execution) => execution.closed === 'continued');
  expect(closed.length).toBeGreaterThan(0);
  await eventually(async () => (await archiveOf(run))?.kept === closed.length, 60_000);
  expect(await archiveOf(run)).toMatchObject({ complete: false, due: false });
  // Retention takes what has closed; the conversation goes on.
  for (const { runId } of closed) await forgetExecution(run, runId);
  const joined = await readHistories(parts(), run);
  expect(joined.map(({ runId }) => runId)).toEqual(whole.map(({ runId }) => runId));
  expect(joined.at(-1)?.source).toBe('temporal');
  expect(joined.slice(0, -1).every(({ source }) => source === 'archive')).toBe(true);
  const recording = await recordingOf(run);
  expect(recording.executions).toHaveLength(whole.length);
  await (await world.belayer.run(run)).halt('enough');
  await archived(run);
});

test('what a killed worker took is archived by another, and many archivers keep each history once', async () => {
  const worker = await startWorkerProcess(world, {
    paymentsUrl: payments.url,
    // It archives for all, and takes no calls of the runs.
    taskQueue: 'elsewhere',
  });
  const runs = [await aLongRun(), await aLongRun(), await aLongRun()];
  await worker.kill();
  for (const run of runs) await archived(run);
  // Taken by one that died with them: the rows are due again when its lease ends.
  await world.database.query({ text: `delete from belayer.history h using belayer.run r where r.no = h.run_no and r.id = any($1)` }, [runs]); // prettier-ignore
  await world.database.query({ text: `update belayer.archive a set due_at = clock_timestamp() - interval '1 second', complete = false from belayer.run r where r.no = a.run_no and r.id = any($1)` }, [runs]); // prettier-ignore
  const log = createLog('error');
  const archivers = Array.from({ length: 4 }, () => startArchiver(parts(), {}, log));
  for (const run of runs) await archived(run);
  await Promise.all(archivers.map((stop) => stop()));
  for (const run of runs) {
    const { executions } = await recordingOf(run);
    expect(await archiveOf(run)).toMatchObject({ kept: executions.length, complete: true });
  }
  expect(await takeToArchive(world.database)).toEqual([]);
});

test('an outage of Temporal is waited for, and what ended before it is archived after it', async () => {
  world.provider.script([reply.text('Done.')]);
  const run = await world.belayer.start('looker', { input: 'Look.' });
  await run.output();
  await world.servers.killTemporal();
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  const already = (await archiveOf(run.id))?.complete === true;
  if (!already)
    await expect(readHistories(parts(), run.id)).rejects.toThrow(/Temporal does not answer/);
  await world.servers.restartTemporal();
  expect(await eventually(async () => (await archiveOf(run.id))?.complete === true, 90_000)).toBe(
    true,
  );
}, 200_000);

test('a history that was changed in the database is not given out', async () => {
  const run = await aLongRun();
  await archived(run);
  await world.database.query({ text: `update belayer.history h set body = set_byte(body, 200, get_byte(body, 200) # 1) from belayer.run r where r.no = h.run_no and r.id = $1 and number = 1` }, [run]); // prettier-ignore
  await expect(recordingOf(run)).rejects.toThrow(
    /archived history of execution 1 of run .* is not what was archived/,
  );
});

test('histories are deleted when their days are over, and what needs them is refused with the reason', async () => {
  const run = await aLongRun();
  await archived(run);
  expect(await removeOldHistories(world.database, 30)).toBe(0);
  await world.database.query({ text: `update belayer.archive a set ended_at = a.ended_at - interval '31 days' from belayer.run r where r.no = a.run_no and r.id = $1` }, [run]); // prettier-ignore
  await world.database.query({ text: `update belayer.run set ended_at = ended_at - interval '31 days' where id = $1` }, [run]); // prettier-ignore
  expect(await removeOldHistories(world.database, 30)).toBe(1);
  expect(await archiveOf(run)).toMatchObject({ kept: 0, removed: true, due: false });
  await expect(recordingOf(run)).rejects.toThrow(
    /Recordings of runs are kept for 30 days \(BELAYER_RECORDING_DAYS\); run .* ended on \d{4}-\d\d-\d\d, and its histories were deleted on/,
  );
  expect(await (await world.belayer.run(run)).output()).toBe('Looked.');
  expect(await removeOldHistories(world.database, 30)).toBe(0);
});
