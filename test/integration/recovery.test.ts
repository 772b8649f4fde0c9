/** What survives: workers, Temporal and PostgreSQL are killed with SIGKILL in the middle of runs. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { insertNewRun } from '../../storage/new-run.ts';
import { readJournal } from '../../storage/reading-runs.ts';
import { reply } from '../../testing/provider/index.ts';
import {
  answerUnknowns,
  cashierScript,
  eventsOf,
  expectSoundRuns,
  silencesAfter,
  startCashiers,
} from '../support/cashier-runs.ts';
import { eventually } from '../support/eventually.ts';
import { type Payments, startPayments } from '../support/payments.ts';
import { seeded } from '../support/seeded.ts';
import { killWorkerProcesses, startWorkerProcess } from '../support/worker-process.ts';
import { createWorld, type World } from '../support/world.ts';

/** The promise: a run whose worker was killed goes on within this. */
const silenceMsMax = 15_000;

let world: World;
let payments: Payments;

beforeAll(async () => {
  world = await createWorld({ temporalInMemory: false });
  payments = await startPayments();
});
afterEach(() => killWorkerProcesses());
afterAll(async () => {
  await payments?.stop();
  await world?.stop();
});

const work = () => startWorkerProcess(world, { paymentsUrl: payments.url });
const repliesSoFar = async (): Promise<number> => {
  const [row] = await world.database.query<{ count: number }>({
    text: `select count(*) from belayer.event where kind = 'model.replied'`,
  });
  return row?.count ?? 0;
};

test('fifty runs whose only worker is killed all end, with every effect done once', async () => {
  const random = seeded(17);
  world.provider.script(cashierScript(random, { faults: 0.2, nonsense: 0.1, thinkMs: 400 }));
  payments.conduct(() => ({
    thinkMs: 100,
    answerMs: 200,
    end: random.chance(0.2) ? 'drop' : 'answer',
  }));
  const first = await work();
  const humans = answerUnknowns(world, payments);
  const runs = await startCashiers(world, 50);
  await eventually(async () => (await repliesSoFar()) > 60);
  const killedAt = Date.now();
  await first.kill();
  await work();
  await Promise.all(runs.map((run) => run.outcome()));
  await humans.stop();
  const silences = await silencesAfter(world, runs, killedAt);
  report('worker', silences, humans.answered);
  await expectSoundRuns(world, payments, runs, random.seed);
  expect(silences.next[0], `seed ${random.seed}`).toBeLessThan(silenceMsMax);
});

test('Temporal killed in the middle of fifty runs: watchers and callers do not notice', async () => {
  const random = seeded(23);
  const calm = await repliesSoFar();
  world.provider.script(cashierScript(random, { faults: 0.1, nonsense: 0.1, thinkMs: 400 }));
  payments.conduct(() => ({ thinkMs: 50, answerMs: 100 }));
  await work();
  const humans = answerUnknowns(world, payments);
  const runs = await startCashiers(world, 50);
  const outputs = Promise.all(runs.map((run) => run.output()));
  outputs.catch(() => undefined);
  const watched = Promise.all(runs.slice(0, 5).map((run) => eventsOf(run)));
  await eventually(async () => (await repliesSoFar()) > calm + 60);
  await world.servers.killTemporal();
  const refused = await world.belayer
    .start('cashier', { input: 'While Temporal is down', key: 'down' })
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({
    type: 'ServerUnreachable',
    message: expect.stringMatching(/on record.*Temporal/s),
  });
  await world.servers.restartTemporal();
  const backAt = Date.now();
  expect(new Set(await outputs)).toEqual(new Set(['Charged.']));
  // The start that was refused is on record, and is made good without its caller.
  const late = await world.belayer.runs({ limit: 1 });
  expect(late[0]?.key).toBe('down');
  const lateRun = await world.belayer.run<string>(late[0]?.id ?? '');
  expect(await lateRun.output()).toBe('Charged.');
  const startedAfter = Date.parse((await eventsOf(lateRun))[1]?.at ?? '') - backAt;
  for (const events of await watched) expect(events.at(-1)?.kind).toBe('run.ended');
  await humans.stop();
  const silences = await silencesAfter(world, runs, backAt);
  report('Temporal', silences, humans.answered);
  process.stderr.write(
    `the run whose start was refused replied ${startedAfter} ms after Temporal was back\n`,
  );
  await expectSoundRuns(world, payments, [...runs, lateRun], random.seed);
  expect(silences.next[0], `seed ${random.seed}`).toBeLessThan(silenceMsMax);
});

test('PostgreSQL killed in the middle of fifty runs: replies that arrive meanwhile are held and kept', async () => {
  const random = seeded(31);
  const calm = await repliesSoFar();
  world.provider.script(cashierScript(random, { faults: 0.1, nonsense: 0.1, thinkMs: 600 }));
  payments.conduct(() => ({ thinkMs: 50, answerMs: 100 }));
  await work();
  const humans = answerUnknowns(world, payments);
  const runs = await startCashiers(world, 50);
  const outputs = Promise.all(runs.map((run) => run.output()));
  outputs.catch(() => undefined);
  const watched = Promise.all(runs.slice(0, 5).map((run) => eventsOf(run)));
  await eventually(async () => (await repliesSoFar()) > calm + 60);
  await world.servers.killPostgres();
  // Replies come in while there is nowhere to put them.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await world.servers.restartPostgres();
  const backAt = Date.now();
  expect(new Set(await outputs)).toEqual(new Set(['Charged.']));
  for (const events of await watched) expect(events.at(-1)?.kind).toBe('run.ended');
  await humans.stop();
  const silences = await silencesAfter(world, runs, backAt);
  report('PostgreSQL', silences, humans.answered);
  await expectSoundRuns(world, payments, runs, random.seed);
  // Held, not asked for again: the provider saw no prompt more often than the journal has attempts.
  const held = await world.database.query<{ kind: string }>({
    text: `select 1 from belayer.attempt where outcome = 'ok' and kind = 'model' and latency_ms < 2000
      and ended_at - started_at > interval '2500 ms'`,
  });
  process.stderr.write(`${held.length} replies were held through the outage\n`);
  expect(held.length).toBeGreaterThan(0);
  expect(silences.next[0], `seed ${random.seed}`).toBeLessThan(silenceMsMax);
});

test('a worker that is told to end lets its calls end first, and loses nothing', async () => {
  const random = seeded(41);
  const calm = await repliesSoFar();
  world.provider.script(cashierScript(random, { faults: 0, nonsense: 0, thinkMs: 500 }));
  payments.conduct(() => ({ answerMs: 300 }));
  const first = await work();
  const second = await work();
  const runs = await startCashiers(world, 20);
  await eventually(async () => (await repliesSoFar()) > calm + 10);
  const from = Date.now();
  expect(await first.drain()).toBe(0);
  const drainMs = Date.now() - from;
  await Promise.all(runs.map((run) => run.output()));
  await expectSoundRuns(world, payments, runs, random.seed);
  for (const run of runs)
    for (const row of await readJournal(world.database, run.id))
      expect(row.outcome, `${run.id} ${row.position}`).toBe('ok');
  process.stderr.write(`a worker drained in ${drainMs} ms\n`);
  await second.drain();
});

test('a start on record without a workflow is started within ten seconds', async () => {
  world.provider.script(() => reply.text('Found.'));
  await work();
  const startedAt = Date.now();
  await insertNewRun(world.database, new Map(), { run: 'orphan', agent: 'cashier', input: 'go' });
  const orphan = await world.belayer.run<string>('orphan');
  expect(await orphan.output()).toBe('Found.');
  const waited = Date.parse((await eventsOf(orphan))[1]?.at ?? '') - startedAt;
  process.stderr.write(`a run on record replied ${waited} ms after its row was written\n`);
  expect(waited).toBeLessThan(10_000);
});

function report(
  what: string,
  silences: { readonly next: readonly number[]; readonly between: readonly number[] },
  answered: readonly string[] = [],
): void {
  process.stderr.write(
    `${what} killed, ${silences.next.length} runs under way: next event after at most ${silences.next[0]} ms (median ${silences.next[silences.next.length >> 1]}); longest pause ${silences.between[0]} ms; ${answered.length} unknown outcomes answered\n`,
  );
}
