/** Runs that make no progress: found on real servers, shown and announced; those that wait are left alone. */
import { NativeConnection, Worker } from '@temporalio/worker';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runProgram } from '../../client/commands/program.ts';
import { type Belayer, belayerOn } from '../../client/connect.ts';
import type { Parts } from '../../client/parts.ts';
import { limits } from '../../contracts/limits.ts';
import { workflowType } from '../../contracts/messages.ts';
import { defineAgent, defineTool } from '../../definitions/index.ts';
import { clearStuck, noteStuck, type Suspect } from '../../storage/stuck.ts';
import { reply } from '../../testing/provider/index.ts';
import { createLog } from '../../workers/log.ts';
import { startStuckSweep } from '../../workers/stuck-sweep.ts';
import { aTerminal } from '../support/a-terminal.ts';
import { eventually } from '../support/eventually.ts';
import { aRunOnRecord } from '../support/run-on-record.ts';
import { partsOf } from '../support/parts-of.ts';
import { createWorld, type World } from '../support/world.ts';

const stuckAfterMs = 1_500;
let world: World;
let parts: Parts;
let belayer: Belayer;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  world = await createWorld();
  parts = { ...partsOf(world), settings: { ...world.belayer.settings, stuckAfterMs } };
  belayer = belayerOn(parts);
});
afterAll(async () => world?.stop());
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A run that has begun, with a workflow on a task queue, and no event of it for an hour. */
async function aSilentRun(taskQueue?: string): Promise<string> {
  const run = await aRunOnRecord(world.database);
  await world.database.query(
    {
      text: `with begun as (update belayer.pulse set state = 'running' where run_no = (select no from belayer.run where id = $1) returning run_no)
        update belayer.event e set at = clock_timestamp() - interval '1 hour' from begun where e.run_no = begun.run_no`,
    },
    [run],
  );
  if (taskQueue !== undefined)
    await world.temporal.workflow.start(workflowType, { workflowId: run, taskQueue, args: [] });
  return run;
}

const sweep = (): void =>
  void stops.push(startStuckSweep(parts, createLog('error')), startStuckSweep(parts, createLog('error'))); // prettier-ignore
const foundOf = async (run: string): Promise<string | undefined> =>
  (await belayer.stuck()).find((row) => row.run === run)?.finding;
async function kindsOf(run: string): Promise<string[]> {
  const rows = await world.database.query<{ kind: string }>(
    {
      text: 'select e.kind from belayer.event e join belayer.run r on r.no = e.run_no where r.id = $1 order by e.number',
    },
    [run],
  );
  return rows.map(({ kind }) => kind);
}

test('a run whose workflow task keeps failing is found as parked, once for all workers, until it moves', async () => {
  const connection = await NativeConnection.connect({ address: world.servers.addresses.temporal.address }); // prettier-ignore
  const worker = await Worker.create({
    connection,
    taskQueue: 'broken',
    workflowsPath: fileURLToPath(new URL('../support/broken-workflow.ts', import.meta.url)),
  });
  const working = worker.run();
  stops.push(async () => {
    worker.shutdown();
    await working;
    await connection.close();
  });
  const run = await aSilentRun('broken');
  await eventually(async () => {
    const { raw } = await world.temporal.workflow.getHandle(run).describe();
    return (raw.pendingWorkflowTask?.attempt ?? 0) > 1;
  });
  sweep();
  await eventually(async () => (await foundOf(run)) === 'parked');
  const [row] = await belayer.stuck();
  expect(row?.detail).toContain('Invariant broken: deployed on purpose');
  // Further looks of both sweeps add nothing.
  const seen = row?.seenAt.getTime() ?? 0;
  await eventually(async () => ((await belayer.stuck())[0]?.seenAt.getTime() ?? 0) > seen + stuckAfterMs); // prettier-ignore
  expect(await kindsOf(run)).toEqual(['run.started', 'run.stuck']);
  expect(await belayer.announcements()).toMatchObject([
    { run, kind: 'run.stuck', state: 'due', channel: 'mail' },
    { run, kind: 'run.stuck', state: 'due', channel: 'webhook' },
  ]);
  expect(await belayer.runs()).toMatchObject([{ id: run, state: 'running', stuck: 'parked' }]);

  await world.database.query(
    {
      text: `select belayer.add_event(no, 'child.started', '1.1', '{}') from belayer.run where id = $1`,
    },
    [run],
  );
  await eventually(async () => (await kindsOf(run)).includes('run.unstuck'));
  expect((await belayer.announcements()).map(({ state }) => state)).toContain('withdrawn');
  await world.temporal.workflow.getHandle(run).terminate();
}, 60_000);

test('a run that no worker carries out is found without any worker, and the look changes nothing', async () => {
  const run = await aSilentRun('nobody');
  const ask = (...words: string[]): Promise<{ code: number; out: string }> => {
    const terminal = aTerminal({
      environment: {
        TEMPORAL_ADDRESS: world.servers.addresses.temporal.address,
        DATABASE_URL: world.servers.addresses.databaseUrl,
        BELAYER_STUCK_AFTER: '10 seconds',
        BELAYER_DATA: world.belayer.settings.dataFolder,
      },
    });
    return runProgram(words, terminal).then((code) => ({ code, out: terminal.output() }));
  };
  const looked = await ask('stuck', '--now', '--json');
  expect(looked.code).toBe(1);
  const rows = looked.out.trim().split('\n').map((line) => JSON.parse(line) as { run: string }); // prettier-ignore
  expect(rows.find((row) => row.run === run)).toMatchObject({
    finding: 'no-worker',
    detail: 'No worker asks for work on task queue `nobody`. Start one.',
  });
  expect(await kindsOf(run)).toEqual(['run.started']);
  expect(await foundOf(run)).toBeUndefined();

  sweep();
  await eventually(async () => (await foundOf(run)) === 'no-worker');
  // What was found before is found by a look as well, though its newest event is young.
  expect((await ask('stuck', '--now')).out).toContain(run);
  expect((await ask('stuck')).code).toBe(1);
  expect((await ask('runs')).out).toMatch(new RegExp(`${run} +running, stuck: no-worker`));
  await world.temporal.workflow.getHandle(run).terminate();
});

test('a run whose workflow was terminated is found as dead, with what closes its books', async () => {
  const terminated = await aSilentRun('nobody');
  await world.temporal.workflow.getHandle(terminated).terminate();
  const forgotten = await aSilentRun();
  // Nobody was there to close its request at its deadline.
  const asking = await aSilentRun();
  await world.database.query(
    {
      text: `insert into belayer.request (run_no, position, kind, tool, arguments, arguments_hash, deadline)
        select no, '1.1/approval', 'approval', 'refund', '{}', 'a', clock_timestamp() - interval '1 minute' from belayer.run where id = $1`,
    },
    [asking],
  );
  sweep();
  await eventually(async () => (await foundOf(asking)) === 'dead');
  await eventually(async () => (await foundOf(terminated)) === 'dead');
  await eventually(async () => (await foundOf(forgotten)) === 'dead');
  const rows = await belayer.stuck();
  expect(rows.find(({ run }) => run === terminated)?.detail).toBe(
    `Its workflow has ended (TERMINATED), and its books are open. To close them: belayer halt ${terminated} --force --reason TEXT`,
  );
  for (const run of [terminated, forgotten, asking])
    await world.database.query({ text: `select belayer.close_run($1, '{"kind":"stopped","because":"halted"}', null, 0)` }, [run]); // prettier-ignore
  for (const run of [terminated, forgotten]) {
    expect(await foundOf(run)).toBeUndefined();
    // An end is not announced as a run that moves again.
    expect(await kindsOf(run)).toEqual(['run.started', 'run.stuck', 'run.ended']);
  }
});

test('a run on record that nobody has started stays one that a worker starts', async () => {
  const run = await aRunOnRecord(world.database);
  sweep();
  await eventually(async () => (await foundOf(run)) === 'no-worker');
  const [{ state }] = (await world.database.query<{ state: string }>(
    {
      text: 'select p.state from belayer.pulse p join belayer.run r on r.no = p.run_no where r.id = $1',
    },
    [run],
  )) as [{ state: string }];
  expect(state).toBe('starting');
  await world.database.query({ text: `select belayer.close_run($1, '{"kind":"done"}', null, 0)` }, [run]); // prettier-ignore
});

test('of many runs that become stuck at once, all are found and a bounded number is announced', async () => {
  await world.database.query({ text: 'delete from belayer.announcement' });
  const runs = await Promise.all(Array.from({ length: limits.stuckToldPerHourMax + 10 }, () => aSilentRun())); // prettier-ignore
  sweep();
  await eventually(async () => {
    const found = new Set((await belayer.stuck()).map(({ run }) => run));
    return runs.every((run) => found.has(run));
  });
  const announced = (await belayer.announcements()).filter(({ channel }) => channel === 'mail');
  expect(announced.filter(({ state }) => state === 'due')).toHaveLength(limits.stuckToldPerHourMax);
  expect(announced.find(({ state }) => state === 'withdrawn')?.error).toBe(
    'more than 50 runs became stuck within an hour: see belayer stuck',
  );
  await world.database.query(
    {
      text: `select belayer.close_run(id, '{"kind":"done"}', null, 0) from belayer.run where id = any($1)`,
    },
    [runs],
  );
  await world.database.query({ text: 'delete from belayer.announcement' });
});

test('the number that is announced holds for findings at the same moment', async () => {
  await world.database.query({ text: 'delete from belayer.announcement' });
  const runs = await Promise.all(Array.from({ length: limits.stuckToldPerHourMax + 30 }, () => aSilentRun())); // prettier-ignore
  const suspects = await world.database.query<Suspect>(
    {
      text: `select r.no, r.id as run, p.events, now()::text as since from belayer.run r join belayer.pulse p on p.run_no = r.no where r.id = any($1)`,
    },
    [runs],
  );
  const noted = await Promise.all(
    suspects.map((suspect) =>
      noteStuck(world.database, suspect, { finding: 'silent', detail: 'x' }, 0),
    ),
  );
  expect(noted).toEqual(runs.map(() => 'new'));
  const announced = (await belayer.announcements()).filter(({ channel }) => channel === 'mail');
  expect(announced.filter(({ state }) => state === 'due')).toHaveLength(limits.stuckToldPerHourMax);
  await world.database.query({ text: 'delete from belayer.announcement' });
  await world.database.query(
    {
      text: `select belayer.close_run(id, '{"kind":"done"}', null, 0) from belayer.run where id = any($1)`,
    },
    [runs],
  );
});

test('a finding that comes and goes is announced once an hour', async () => {
  const run = await aSilentRun();
  const [row] = await world.database.query<{ no: number }>({ text: 'select no from belayer.run where id = $1' }, [run]); // prettier-ignore
  const no = row?.no ?? 0;
  const note = async (finding: string): Promise<void> => {
    const [pulse] = await world.database.query<{ events: number }>({ text: 'select events from belayer.pulse where run_no = $1' }, [no]); // prettier-ignore
    const events = pulse?.events ?? 0;
    const suspect = { no, run, agent: 'a', customer: '', events, state: 'running', since: new Date(0).toISOString(), waitsFor: null }; // prettier-ignore
    expect(await noteStuck(world.database, suspect, { finding: finding as 'silent', detail: 'x' }, 0)).toBe('new'); // prettier-ignore
    await clearStuck(world.database, { ...suspect, events: events + 1 });
  };
  const send = (state: string, hours: number) =>
    world.database.query(
      { text: `update belayer.announcement set state = $2, closed_at = clock_timestamp() - $3 * interval '1 hour' where run_no = $1 and state = 'withdrawn' and error is null` },
      [no, state, hours],
    ); // prettier-ignore
  const told = async () =>
    (await belayer.announcements()).filter((row) => row.run === run && row.channel === 'mail').map(({ error }) => error).toReversed(); // prettier-ignore
  await note('silent');
  await send('sent', 0.5);
  await note('silent');
  await note('parked');
  const again = 'the same was told about this run 60 minutes ago or less';
  expect(await told()).toEqual([null, again, null]);
  await world.database.query({ text: `update belayer.announcement set closed_at = closed_at - interval '1 hour' where run_no = $1` }, [no]); // prettier-ignore
  await note('silent');
  expect(await told()).toEqual([null, again, null, null]);
  await world.database.query({ text: `select belayer.close_run($1, '{"kind":"done"}', null, 0)` }, [run]); // prettier-ignore
});

test('a run that waits for an approval is not found, however long it waits', async () => {
  const refund = defineTool({
    name: 'refund',
    description: 'Refunds.',
    effect: 'write',
    repeat: 'keyed',
    keyValid: '24 hours',
    approval: 'always',
    input: z.object({}),
    run: () => 'ok',
  });
  world.provider.script([reply.tools({ refund: {} }), reply.text('done')]);
  await world.work(defineAgent({ name: 'clerk', instructions: 'Refund.', tools: [refund] }));
  const run = await world.belayer.start('clerk', { input: 'go' });
  await eventually(async () => (await run.status()).openRequests === 1);
  const comparison = await aSilentRun('nobody');
  sweep();
  // A run beside it that became silent at the same time is found, so there was a look.
  await new Promise((resolve) => setTimeout(resolve, 2 * stuckAfterMs));
  await eventually(async () => (await foundOf(comparison)) === 'no-worker');
  expect(await foundOf(run.id)).toBeUndefined();
  const looked = await belayer.stuck({ now: true });
  expect(looked.map((row) => row.run)).toContain(comparison);
  expect(looked.map((row) => row.run)).not.toContain(run.id);
  await world.temporal.workflow.getHandle(comparison).terminate();
  await run.approve('1.1/approval');
  expect(await run.output()).toBe('done');
});
