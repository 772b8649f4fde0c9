/** What survives: workers, Temporal and PostgreSQL are killed with SIGKILL in the middle of runs. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  answerUnknowns,
  cashierScript,
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
    then: random.chance(0.2) ? 'drop' : 'answer',
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

function report(
  what: string,
  silences: { readonly next: readonly number[]; readonly between: readonly number[] },
  answered: readonly string[] = [],
): void {
  process.stderr.write(
    `${what} killed, ${silences.next.length} runs under way: next event after at most ${silences.next[0]} ms (median ${silences.next[silences.next.length >> 1]}); longest pause ${silences.between[0]} ms; ${answered.length} unknown outcomes answered\n`,
  );
}
