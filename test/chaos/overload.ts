/**
 * `npm run overload -- [--runs N] [--in-flight N] [--think MS]`: all starts at once, by a client of its own, for two
 * workers; then, behind as many queued runs of one customer, the first run of another. Exit code 1 where a run did
 * not finish, too many were in flight, a call was made twice or timed out, or the other customer waited for its turn
 * longer than one place takes to become free.
 */
import { parseArgs } from 'node:util';
import { limits } from '../../contracts/limits.ts';
import { reply } from '../../testing/provider/index.ts';
import { startWorkerProcess } from '../support/worker-process.ts';
import { createWorld } from '../support/world.ts';
import { inTurns } from './in-turns.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    'in-flight': { type: 'string', default: String(limits.runsInFlightMaxDefault) },
    think: { type: 'string', default: '200' },
    queued: { type: 'string' },
  },
});
const count = Number(values.runs);
const inFlightMax = Number(values['in-flight']);
const thinkMs = Number(values.think);
const queuedCount = Number(values.queued ?? count);

const world = await createWorld({ temporalInMemory: false });
const asked: string[] = [];
let atOnce = 0;
let atOnceMost = 0;
world.provider.script(async (request) => {
  const said = request.messages.find(({ role }) => role === 'user')?.content;
  asked.push(typeof said === 'string' ? said : '');
  atOnce += 1;
  atOnceMost = Math.max(atOnceMost, atOnce);
  await new Promise((resolve) => setTimeout(resolve, thinkMs * (0.5 + Math.random())));
  atOnce -= 1;
  return request.messages.some(({ role }) => role === 'tool')
    ? reply.text('done')
    : reply.tools({ look: {} });
});
const workers = [];
for (let n = 0; n < 2; n += 1)
  workers.push(await startWorkerProcess(world, { app: 'overload', runsInFlight: inFlightMax }));
const problems: string[] = [];
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const one = async (text: string): Promise<number> =>
  (await world.database.query<{ n: number }>({ text }))[0]?.n ?? 0;
const middle = (numbers: readonly number[], share: number): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * share)] ?? 0;

// --- all at once ---------------------------------------------------------------------------------
let inFlightMost = 0;
let queuedMost = 0;
const looking = setInterval(() => {
  void world.belayer.throttles.show().then(([row]) => {
    inFlightMost = Math.max(inFlightMost, row?.runsInFlight ?? 0);
    queuedMost = Math.max(queuedMost, row?.runsQueued ?? 0);
  });
}, 250);
const startedAt = performance.now();
const answers: number[] = [];
const runs = await Promise.all(
  Array.from({ length: count }, async (_, n) => {
    const run = await world.belayer.start('clerk', { input: `all-${n}`, customer: `c${n % 10}` });
    answers.push(performance.now() - startedAt);
    return run;
  }),
);
const recordedMs = performance.now() - startedAt;
const open = async (): Promise<number> =>
  one('select count(*) as n from belayer.run where ended_at is null');
let stalledSince = performance.now();
for (let left = await open(), before = left; left > 0; left = await open()) {
  if (left < before) stalledSince = performance.now();
  before = left;
  if (performance.now() - stalledSince > 60_000) {
    problems.push(`${left} runs stand still`);
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
}
const finishedMs = performance.now() - startedAt;
clearInterval(looking);
const done = await one(`select count(*) as n from belayer.run where outcome->>'kind' = 'done'`);
const attempts = await one(`select count(*) as n from belayer.attempt where kind = 'model'`);
const failed = await one(`select count(*) as n from belayer.attempt where kind = 'model' and outcome <> 'ok'`); // prettier-ignore
if (done !== count) problems.push(`${count - done} of ${count} runs are not done`);
if (failed > 0) problems.push(`${failed} attempts of model calls failed or were lost`);
if (inFlightMost > inFlightMax) problems.push(`${inFlightMost} runs were in flight`);
let tasks = 0;
let tasksTimedOut = 0;
let activitiesTimedOut = 0;
await inTurns(Math.min(200, runs.length), 4, async (index) => {
  const run = runs[Math.floor((index * runs.length) / Math.min(200, runs.length))];
  const { events } = await world.temporal.workflow.getHandle(run?.id ?? '').fetchHistory();
  for (const event of events ?? []) {
    if (event.workflowTaskCompletedEventAttributes) tasks += 1;
    // Sticky tasks that moved to another worker are no trouble.
    if (event.workflowTaskTimedOutEventAttributes?.timeoutType === 1) tasksTimedOut += 1;
    if (event.activityTaskTimedOutEventAttributes) activitiesTimedOut += 1;
  }
});
if (activitiesTimedOut > 0) problems.push(`${activitiesTimedOut} activities timed out`);
if (tasksTimedOut * 50 > tasks) problems.push(`${tasksTimedOut} of ${tasks} workflow tasks timed out`); // prettier-ignore

// --- one customer's queue, another's first -------------------------------------------------------
asked.length = 0;
const queueStartedAt = performance.now();
await inTurns(queuedCount, 40, async (n) => {
  await world.belayer.start('clerk', { input: `acme-${n}`, customer: 'acme' });
});
const queuedInMs = performance.now() - queueStartedAt;
const queued = await one(`select count(*) as n from belayer.run where place = 'queued'`);
const otherAt = performance.now();
const other = await world.belayer.start('clerk', { input: 'bolt', customer: 'bolt' });
while (!asked.includes('bolt') && performance.now() - otherAt < 60_000)
  await new Promise((resolve) => setTimeout(resolve, 2));
const otherMs = performance.now() - otherAt;
// Who was let in while it had to queue, if it had to.
const overtaken =
  await one(`select count(*) as n from belayer.event e join belayer.run r on r.no = e.run_no,
  (select o.created_at, (select q.at from belayer.event q where q.run_no = o.no and q.kind = 'run.admitted') as admitted_at
   from belayer.run o where o.customer = 'bolt') b
  where e.kind = 'run.admitted' and r.customer = 'acme' and e.at > b.created_at and e.at < b.admitted_at`);
if ((await other.outcome()).kind !== 'done') problems.push('the other customer’s run is not done');
if (queued < queuedCount / 4) problems.push(`only ${queued} runs were queued before the other customer’s`); // prettier-ignore
if (overtaken > 5) problems.push(`${overtaken} queued runs were let in before the other customer’s first`); // prettier-ignore
const stopAt = performance.now();
const stopped = await world.belayer.stop({ customer: 'acme' }, { reason: 'measured' });
const stopMs = performance.now() - stopAt;
const stillQueued = await one(`select count(*) as n from belayer.run where place = 'queued'`);
if (stillQueued > 0) problems.push(`${stillQueued} runs are queued under a flag (${stopped.left ?? ''})`); // prettier-ignore
await other.outcome();
console.log(`${count} starts at once, ${inFlightMax} in flight, model calls of ${thinkMs} ms, two workers
on record                  ${seconds(recordedMs)}; a start answers in ${seconds(middle(answers, 0.5))} (median), ${seconds(middle(answers, 0.99))} (99%) of them
all finished               ${seconds(finishedMs)}, ${(count / (finishedMs / 1_000)).toFixed(1)} runs a second
in flight at most          ${inFlightMost} of ${inFlightMax}, queued at most ${queuedMost}, model calls at once ${atOnceMost}
model calls                ${attempts}, not ok ${failed}
timed out (200 runs)       ${tasksTimedOut} of ${tasks} workflow tasks, ${activitiesTimedOut} activities
${queuedCount} starts of one customer  in ${seconds(queuedInMs)}; ${queued} queued when the other came
another’s first            at its model after ${Math.round(otherMs)} ms, let in behind ${overtaken} that were queued
a flag over the customer   ends its queue in ${seconds(stopMs)}
${problems.length === 0 ? 'Everything held.' : `Did not hold:\n${problems.join('\n')}`}`);
for (const worker of workers) await worker.kill();
await world.stop();
process.exit(problems.length === 0 ? 0 : 1);
