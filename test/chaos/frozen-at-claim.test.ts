/** The worst moment to be frozen at: the claim has committed, and its worker has not heard of it yet. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Run } from '../../client/index.ts';
import { readJournal } from '../../storage/reading-runs.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import { type Payments, startPayments } from '../support/payments.ts';
import { killWorkerProcesses, startWorkerProcess } from '../support/worker-process.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let payments: Payments;

beforeAll(async () => {
  world = await createWorld();
  payments = await startPayments();
});
afterEach(() => killWorkerProcesses());
afterAll(async () => {
  await payments?.stop();
  await world?.stop();
});

const waitsForItsClaim = async (): Promise<boolean> => {
  const rows = await world.database.query({
    text: `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%belayer.claim_call%'`,
  });
  return rows.length > 0;
};

test('a worker that hears of its claim when the time to send is over sends nothing', async () => {
  // Whoever raises a stop flag holds this lock, and claims wait for it.
  const flagging = await world.database.pool.connect();
  world.provider.script(async (request) => {
    if (request.messages.length > 2) return reply.text('ok');
    await flagging.query('begin; select pg_advisory_xact_lock(6004510)');
    return reply.tools({ wire: { id: 'A-17' } });
  });
  const first = await startWorkerProcess(world, { paymentsUrl: payments.url });
  const own = (await world.belayer.start('cashier', { input: 'go' })) as Run<string>;
  await eventually(waitsForItsClaim);
  first.freeze();
  await flagging.query('commit');
  flagging.release();
  await startWorkerProcess(world, { paymentsUrl: payments.url });
  // Nobody knows, a human looks: no money has moved. So it may run again.
  const request = await eventually(async () => (await own.requests())[0], 60_000);
  expect(payments.moved.size).toBe(0);
  await own.approve(request.position);
  expect(await own.output()).toBe('ok');
  first.thaw();
  await eventually(async () =>
    (await readJournal(world.database, own.id)).some(({ outcome }) => outcome === 'late'),
  );
  expect(payments.moved.get(`${own.id}/1.1`)).toBe(1);
  expect(payments.requests).toHaveLength(1);
});
