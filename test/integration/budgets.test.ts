/** What breaks in a budget that runs share when calls of it come at once, twice, late, or not at all? */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { reconcile } from '../../storage/budgets.ts';
import { closeByForce } from '../../storage/force-close.ts';
import { type BudgetLedger, startBudgetLedger } from '../support/budget-ledger.ts';
import { eventually } from '../support/eventually.ts';

let world: BudgetLedger;
beforeAll(async () => {
  world = await startBudgetLedger();
});
afterAll(() => world?.stop());
beforeEach(async () => {
  await world.clear();
  await world.clockAt();
});

const kinds = async (run: string): Promise<readonly string[]> =>
  (
    await world.database.query<{ kind: string }>({
      text: `select e.kind from belayer.event e join belayer.run r on r.no = e.run_no where r.id = '${run}' order by e.number`,
    })
  ).map(({ kind }) => kind);

test('two hundred callers of many runs at once never reserve more than a shared ceiling', async () => {
  await world.budgets.set({ customer: 'acme', per: 'day', costUsd: 0.001 });
  const runs = await Promise.all(
    Array.from({ length: 20 }, (_, index) => world.aRun(index % 2 ? 'clerk' : 'porter', 'acme')),
  );
  const opened = await Promise.all(
    Array.from({ length: 200 }, async (_, index) =>
      runs[index % 20]?.open(`${index + 1}`, `w/${index}`),
    ),
  );
  expect(opened.filter((each) => each?.verdict === 'claimed')).toHaveLength(10);
  expect(opened.filter((each) => each?.verdict === 'budget')).toHaveLength(190);
  expect(await world.windowOf({ customer: 'acme' })).toMatchObject({
    spentMicroUsd: 0,
    reservedMicroUsd: 1_000,
    leftMicroUsd: 0,
  });
});

test('claims, settlements, takeovers and ends under overlapping budgets at once neither lock each other out nor lose a reservation', async () => {
  await world.budgets.set({ installation: true, per: 'hour', costUsd: 1 });
  await world.budgets.set({ customer: '*', per: 'day', costUsd: 1 });
  await world.budgets.set({ agent: 'clerk', per: 'month', costUsd: 1 });
  await world.budgets.set({ agent: 'clerk', customer: '*', per: 'hour', costUsd: 1 });
  await world.budgets.set({ agent: 'porter', customer: 'b', per: 'day', tokens: 1_000_000 });
  const runs = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      world.aRun(index % 2 ? 'clerk' : 'porter', ['a', 'b', 'c'][index % 3]),
    ),
  );
  await Promise.all(
    runs.map(async (run, index) => {
      for (let step = 1; step <= 6; step += 1) {
        const first = await run.open(`${step}`, `dead/${index}/${step}`);
        // Another worker takes the position over; the first comes back too late.
        const second = await run.open(`${step}`, `w/${index}/${step}`);
        expect([first.verdict, second.verdict]).toEqual(['claimed', 'claimed']);
        await Promise.all([
          run.fail(first, `${step}`, `dead/${index}/${step}`, 50),
          step % 2
            ? run.fail(second, `${step}`, `w/${index}/${step}`, 20)
            : closeByForce(world.database, `no-such-run-${index}`, 'x').catch(() => undefined),
        ]);
      }
      await closeByForce(world.database, run.run, 'enough');
    }),
  );
  // Of each run: 6 lost attempts and 3 that were forced to an end in full, and 3 of 20.
  const perRun = 9 * 100 + 3 * 20;
  for (const { agent, customer, window } of await world.budgets.show()) {
    const of = (run: number): boolean =>
      (agent === null || agent === (run % 2 ? 'clerk' : 'porter')) &&
      (customer === null || window?.customer === ['a', 'b', 'c'][run % 3]);
    const count = runs.filter((_, index) => of(index)).length;
    expect(window).toMatchObject({ spentMicroUsd: count * perRun, reservedMicroUsd: 0 });
    expect(window?.reservedTokens).toBe(0);
  }
});

test('every budget that applies holds: of the installation, the agent, the customer, and the customer within the agent', async () => {
  const usd = 0.001;
  for (const target of [
    { installation: true as const },
    { agent: 'clerk' },
    { customer: 'acme' },
    { agent: 'clerk', customer: 'acme' },
    { customer: '*' },
    { agent: 'clerk', customer: '*' },
  ])
    for (const per of ['hour', 'day', 'month'] as const) {
      await world.clear();
      await world.budgets.set({ ...target, per, costUsd: usd, tokens: 100 });
      const run = await world.aRun('clerk', 'acme');
      expect(await run.open('1', 'w', { reserveMicroUsd: 1_001 })).toMatchObject({
        verdict: 'budget',
        answer: { per, policy: 'stop', hopeless: true, crowded: false, microUsdLeft: 1_000 },
      });
      expect(await run.open('1', 'w', { reserveTokens: 101 })).toMatchObject({
        answer: { tokensLeft: 100 },
      });
      expect(await run.open('1', 'w', { reserveMicroUsd: 1_000 })).toMatchObject({
        verdict: 'claimed',
      });
      expect(await run.open('2', 'v')).toMatchObject({
        verdict: 'budget',
        answer: { crowded: true, hopeless: false, microUsdLeft: 0 },
      });
      const free = await world.aRun('porter', 'other');
      const isElsewhere = !('installation' in target) && !('customer' in target && target.customer === '*' && !('agent' in target)); // prettier-ignore
      expect((await free.open('1', 'w')).verdict).toBe(isElsewhere || target.customer === '*' ? 'claimed' : 'budget'); // prettier-ignore
    }
});

test('each customer by itself has a window of its own, a named one takes its place, and no customer is none', async () => {
  await world.budgets.set({ customer: '*', per: 'day', costUsd: 0.0001 });
  await world.budgets.set({ customer: 'big', per: 'day', costUsd: 0.0003 });
  for (const [customer, fits] of [
    ['one', 1],
    ['two', 1],
    ['big', 3],
    [undefined, 5],
  ] as const) {
    // prettier-ignore
    const run = await world.aRun('clerk', customer);
    const opened = await Promise.all(
      [1, 2, 3, 4, 5].map((step) => run.open(`${step}`, `w/${step}`)),
    );
    expect(opened.filter(({ verdict }) => verdict === 'claimed')).toHaveLength(fits);
  }
  const rows = await world.budgets.show();
  expect(rows.map(({ customer, window }) => [customer, window?.customer])).toEqual([
    ['*', 'one'],
    ['*', 'two'],
    ['big', 'big'],
  ]);
});

test('of several budgets that refuse, the strictest policy decides, then the least left', async () => {
  await world.budgets.set({
    customer: 'acme',
    per: 'day',
    costUsd: 0.0001,
    onExhaustion: 'degrade',
  });
  await world.budgets.set({ agent: 'clerk', per: 'day', costUsd: 0.0001, onExhaustion: 'wait' });
  const run = await world.aRun('clerk', 'acme');
  const refused = () => run.open('1', 'w', { reserveMicroUsd: 200 });
  expect(await refused()).toMatchObject({ answer: { policy: 'wait', agent: 'clerk' } });
  await world.budgets.set({
    installation: true,
    per: 'hour',
    costUsd: 0.00015,
    onExhaustion: 'ask',
  });
  expect(await refused()).toMatchObject({ answer: { policy: 'ask', agent: null, customer: null } });
  await world.budgets.set({ agent: 'clerk', per: 'month', costUsd: 0.00018 });
  await world.budgets.set({ agent: 'clerk', per: 'hour', costUsd: 0.00012 });
  expect(await refused()).toMatchObject({
    answer: { policy: 'stop', per: 'hour', microUsdLeft: 120 },
  });
});

test('the run’s own ceiling is what refuses where both do, and a budget per run narrows it', async () => {
  await world.budgets.set({ agent: 'clerk', per: 'run', costUsd: 0.00025 });
  const small = await world.aRun('clerk', 'acme', 150);
  expect((await small.open('1', 'w')).verdict).toBe('claimed');
  expect((await small.open('2', 'w')).answer).toEqual({
    microUsdLeft: 50,
    tokensLeft: expect.any(Number),
  });
  for (let time = 0; time < 2; time += 1) {
    const run = await world.aRun('clerk', 'acme', 10_000);
    expect((await run.open('1', 'w')).verdict).toBe('claimed');
    expect((await run.open('2', 'v')).verdict).toBe('claimed');
    expect(await run.open('3', 'u')).toMatchObject({
      verdict: 'budget',
      answer: { per: 'run', microUsdLeft: 50, ceilingMicroUsd: 250 },
    });
  }
  const free = await world.aRun('porter', 'acme', 10_000);
  for (const step of ['1', '2', '3']) expect((await free.open(step, step)).verdict).toBe('claimed');
});

test('a reservation is settled in the window that it was made under, and the next window begins at nothing', async () => {
  await world.budgets.set({ customer: 'acme', per: 'hour', costUsd: 0.0002 });
  await world.clockAt('2026-01-31T23:59:59Z');
  const run = await world.aRun('clerk', 'acme');
  const before = await run.open('1', 'w');
  await run.open('2', 'dead');
  expect((await run.open('3', 'u')).answer).toMatchObject({ endsAt: '2026-02-01T00:00:00Z', resetMs: 1_000 }); // prettier-ignore
  await world.clockAt('2026-02-01T00:00:00Z');
  const after = await run.open('3', 'u');
  expect(after.verdict).toBe('claimed');
  await run.reply(before, '1', 'w', 90);
  // Taken over in the next window: given up where it was made, reserved anew where it is now.
  const again = await run.open('2', 'alive');
  expect(again).toMatchObject({ verdict: 'conflict' });
  expect(await world.windowOf({ customer: 'acme' })).toMatchObject({
    startsAt: new Date('2026-02-01T00:00:00Z'),
    spentMicroUsd: 0,
    reservedMicroUsd: 100,
  });
  await world.clockAt('2026-01-31T23:59:59Z');
  expect(await world.windowOf({ customer: 'acme' })).toMatchObject({
    spentMicroUsd: 190,
    reservedMicroUsd: 0,
  });
});

test('hours, days and months begin and end in UTC, in February and in December', async () => {
  for (const per of ['hour', 'day', 'month'] as const)
    await world.budgets.set({ customer: 'acme', per, costUsd: 1 });
  const run = await world.aRun('clerk', 'acme');
  let step = 0;
  for (const [at, ends] of [
    [
      '2028-02-29T12:30:00Z',
      ['2028-02-29T13:00:00Z', '2028-03-01T00:00:00Z', '2028-03-01T00:00:00Z'],
    ],
    [
      '2026-12-31T23:59:59.999Z',
      ['2027-01-01T00:00:00Z', '2027-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ],
    [
      '2026-03-29T01:30:00Z',
      ['2026-03-29T02:00:00Z', '2026-03-30T00:00:00Z', '2026-04-01T00:00:00Z'],
    ],
  ] as const) {
    // prettier-ignore
    await world.clockAt(at);
    step += 1;
    await run.open(`${step}`, `w/${step}`);
    const rows = await world.budgets.show({ customer: 'acme' });
    expect(rows.map(({ window }) => window?.endsAt)).toEqual(ends.map((each) => new Date(each)));
    expect(rows.map(({ window }) => window?.reservedMicroUsd)).toEqual([100, 100, 100]);
  }
});

test('a changed budget holds at the next claim, also when claims are under way all the time', async () => {
  await world.budgets.set({ customer: 'acme', per: 'day', costUsd: 1_000 });
  const run = await world.aRun('clerk', 'acme', 1_000_000_000);
  let setAt = Infinity;
  let asked = 0;
  const all: { readonly askedAt: number; readonly verdict: string }[] = [];
  const claiming = Array.from({ length: 10 }, async () => {
    for (let afterwards = 0; afterwards < 3 && asked < 20_000;) {
      asked += 1;
      const askedAt = performance.now();
      const { verdict } = await run.open(`${asked}`, `w/${asked}`);
      all.push({ askedAt, verdict });
      if (askedAt > setAt) afterwards += 1;
    }
  });
  const setting = new Promise((resolve) => setTimeout(resolve, 100)).then(async () => {
    await world.budgets.set({ customer: 'acme', per: 'day', costUsd: 0.000001 });
    setAt = performance.now();
  });
  await Promise.all([...claiming, setting]);
  expect(all.some(({ verdict }) => verdict === 'claimed')).toBe(true);
  const after = all.filter(({ askedAt }) => askedAt > setAt);
  expect(after.length).toBeGreaterThan(10);
  expect(after.every(({ verdict }) => verdict === 'budget')).toBe(true);
});

test('a change waits for the claims that are under way, so that none of them commits after it unseen', async () => {
  await world.budgets.set({ customer: 'acme', per: 'day', costUsd: 1 });
  const run = await world.aRun('clerk', 'acme');
  const holder = await world.database.pool.connect();
  await holder.query('begin');
  await holder.query(
    `select from belayer.pulse p join belayer.run r on r.no = p.run_no where r.id = '${run.run}' for update of p`,
  );
  const claim = run.open('1', 'w');
  await eventually(async () => {
    const [row] = await world.database.query<{ waits: boolean }>({
      text: `select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%open_model_call%') as waits`,
    });
    return row?.waits === true;
  });
  let isSet = false;
  const set = world.budgets
    .set({ customer: 'acme', per: 'day', costUsd: 0.000001 })
    .then(() => (isSet = true));
  await new Promise((resolve) => setTimeout(resolve, 300));
  // Before anything is asserted, or a failure would leave the lock to the tests after it.
  const wasSet = isSet;
  await holder.query('commit');
  holder.release();
  expect(wasSet).toBe(false);
  expect((await claim).verdict).toBe('claimed');
  await set;
  expect((await run.open('2', 'w')).verdict).toBe('budget');
});

test('a dead reservation is charged in full and said, once, and what closes afterwards changes nothing', async () => {
  // What other tests left would die meanwhile.
  await world.database.query({
    text: `select belayer.force_close(id, 'x') from belayer.run where ended_at is null`,
  });
  await world.budgets.set({ customer: 'acme', per: 'day', costUsd: 1 });
  const run = await world.aRun('clerk', 'acme');
  const alive = await run.open('1', 'alive', { sendMs: 600_000 });
  const dead = await run.open('2', 'dead', { sendMs: 0 });
  // Its time is over, but not the margin: it may still close.
  expect((await reconcile(world.database, { everyMs: 0 })).settled).toBe(0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const rounds = await Promise.all(
    Array.from({ length: 5 }, () => reconcile(world.database, { everyMs: 0, marginMs: 10 })),
  );
  expect(rounds.reduce((sum, { settled }) => sum + settled, 0)).toBe(1);
  const settled = {
    spentMicroUsd: 100,
    reservedMicroUsd: 100,
    spentTokens: 10,
    reservedTokens: 10,
  };
  expect(await world.windowOf({ customer: 'acme' })).toMatchObject(settled);
  expect(await run.reply(dead, '2', 'dead')).toMatchObject({ verdict: 'late' });
  expect(await world.windowOf({ customer: 'acme' })).toMatchObject(settled);
  expect(await kinds(run.run)).toEqual(['run.started', 'budget.reconciled']);
  expect(await run.fail(alive, '1', 'alive')).toMatchObject({ verdict: 'closed' });
  expect(await world.windowOf({ customer: 'acme' })).toMatchObject({ reservedMicroUsd: 0 });
});

test('what a tool reports to have cost counts in the windows, once', async () => {
  await world.budgets.set({ customer: 'acme', per: 'day', costUsd: 1 });
  const { run } = await world.aRun('clerk', 'acme');
  const read = {
    run,
    position: '1.1',
    token: 'w',
    tool: 'look',
    requestHash: 'h',
    startedAt: new Date(),
    outcome: 'ok' as const,
    latencyMs: 1,
    costMicroUsd: 30,
    event: { tool: 'look' },
  };
  await world.ledger.recordRead(read);
  await world.ledger.recordRead(read);
  expect(await world.windowOf({ customer: 'acme' })).toMatchObject({ spentMicroUsd: 30 });
});

test('a sub-agent’s ceiling is carved out of its parent’s and reserves in no window; its calls do, under their own agent', async () => {
  await world.budgets.set({ customer: 'acme', per: 'day', costUsd: 1 });
  await world.budgets.set({ agent: 'porter', per: 'run', costUsd: 0.0005 });
  const parent = await world.aRun('porter', 'acme', 10_000);
  const [child] = await world.database.query<{ verdict: string; micro_usd: number }>(
    { text: 'select * from belayer.open_child($1,$2,$3,$4,$5,$6,$7)' },
    [parent.run, '1.1', 'w', 'clerk', 'h', 8_000, 1_000],
  );
  expect(child).toMatchObject({ verdict: 'opened', micro_usd: 500 });
  // The parent has nothing left under its budget per run.
  expect(await parent.open('2', 'w')).toMatchObject({ answer: { per: 'run', microUsdLeft: 0 } });
  const own = await world.aRun('clerk', 'acme', 500, parent.run);
  const opened = await own.open('1', 'w');
  expect(await world.windowOf({ customer: 'acme' })).toMatchObject({ reservedMicroUsd: 100 });
  await own.reply(opened, '1', 'w', 60);
  expect(await world.windowOf({ customer: 'acme' })).toMatchObject({
    spentMicroUsd: 60,
    reservedMicroUsd: 0,
  });
});
