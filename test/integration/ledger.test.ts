/** What breaks if a statement of the ledger comes twice, late, or at the same time as others? */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CallModelOutput, RunToolOutput } from '../../contracts/agent-run.ts';
import { defineAgent, defineApp } from '../../definitions/index.ts';
import { asApp } from '../../definitions/internal.ts';
import { type OwnServers, startOwnServers } from '../../servers/index.ts';
import { type Database, openDatabase } from '../../storage/database.ts';
import { chainHead, sha256 } from '../../storage/hash.ts';
import {
  type ClaimCall,
  type Ledger,
  type OpenModelCall,
  openLedger,
} from '../../storage/ledger.ts';
import { migrate } from '../../storage/migrate.ts';
import { insertNewRun } from '../../storage/new-run.ts';
import { readJournal, readRun } from '../../storage/reading-runs.ts';
import { insertRequest, closeRequestRow } from '../../storage/requests.ts';
import { takeUnstarted } from '../../storage/runs.ts';
import { publishApplication } from '../../workers/publish.ts';

let servers: OwnServers;
let database: Database;
let ledger: Ledger;
let count = 0;

beforeAll(async () => {
  servers = await startOwnServers({ temporal: false, postgresSettings: { fsync: 'off' } });
  database = openDatabase({ url: servers.addresses.databaseUrl, connections: 40 });
  await migrate(database);
  ledger = openLedger(database);
  const agent = defineAgent({ name: 'clerk', instructions: 'x', model: 'test-model' });
  await publishApplication(database, asApp(defineApp({ agents: [agent] })), { buildId: 'test' });
});
afterAll(async () => {
  await database?.close();
  await servers?.stop();
});

/** A run whose ceiling is `microUsd`. */
async function aRun(microUsd = 1_000_000) {
  count += 1;
  const run = `run-${count}`;
  const inserted = await insertNewRun(database, new Map(), {
    run,
    agent: 'clerk',
    input: 'go',
    options: { limits: { costMicroUsd: microUsd } },
  });
  const { transcript } = inserted.start;
  const open = (position: string, token: string, more: Partial<OpenModelCall> = {}) =>
    ledger.openModelCall({
      run,
      position,
      token,
      model: 'test-model',
      requestHash: `prompt-${position}`,
      chain: 0,
      from: transcript.length,
      entries: [],
      reserveMicroUsd: 100,
      reserveTokens: 10,
      sendMs: 1_000,
      ...more,
    });
  const close = (
    runNo: number,
    position: string,
    attempt: { readonly attempt: number; readonly token: string; readonly cost?: number },
    seq = transcript.length,
  ) =>
    ledger.closeModelCall({
      runNo,
      position,
      attempt: attempt.attempt,
      token: attempt.token,
      outcome: 'ok',
      reply: {
        answer: { kind: 'halted', reason: attempt.token } as CallModelOutput,
        fragment: `"${attempt.token}"`,
        fragmentHash: sha256(attempt.token),
        chain: 0,
        seq,
        head: chainHead(transcript.head, sha256(attempt.token)),
      },
      costMicroUsd: attempt.cost ?? 7,
      tokens: 3,
      journal: {},
      event: { model: 'test-model' },
    });
  const fail = (runNo: number, position: string, attempt: { attempt: number; token: string }) =>
    ledger.closeModelCall({
      runNo,
      position,
      ...attempt,
      outcome: 'failed',
      code: 'ModelOverloaded',
      costMicroUsd: 0,
      tokens: 0,
      journal: {},
      event: {},
    });
  const claim = (position: string, token: string, more: Partial<ClaimCall> = {}) =>
    ledger.claimCall({
      run,
      position,
      token,
      tool: 'pay',
      requestHash: `arguments-${position}`,
      repeat: 'never',
      keyValidMs: 60_000,
      sendMs: 0,
      verified: false,
      ...more,
    });
  const settle = (
    runNo: number,
    position: string,
    attempt: { readonly attempt: number; readonly token: string; readonly cost?: number },
    state: 'done' | 'open' | 'unknown' = 'done',
  ) =>
    ledger.closeCall({
      runNo,
      position,
      attempt: attempt.attempt,
      token: attempt.token,
      state,
      outcome: state === 'done' ? 'ok' : 'unknown',
      latencyMs: 1,
      costMicroUsd: attempt.cost ?? 0,
      ...(state === 'done'
        ? {
            result: {
              answer: { kind: 'unknown', input: '', detail: attempt.token } as RunToolOutput,
              fragment: '""',
              fragmentHash: sha256(attempt.token),
            },
          }
        : {}),
      event: { tool: 'pay' },
    });
  return { run, open, close, fail, claim, settle };
}

const moneyOf = async (run: string) => {
  const row = await readRun(database, run);
  return {
    spent: row?.costMicroUsd,
    reserved: row?.reservedMicroUsd,
    ceiling: row?.ceilingMicroUsd,
  };
};
const eventsOf = async (run: string): Promise<readonly { number: number; kind: string }[]> =>
  database.query({
    text: `select e.number, e.kind from belayer.event e join belayer.run r on r.no = e.run_no where r.id = '${run}' order by e.number`,
  });
async function expectWhole(run: string): Promise<void> {
  const events = await eventsOf(run);
  expect(events.map((event) => event.number)).toEqual(events.map((_, index) => index + 1));
  const [pulse] = await database.query<{ events: number }>({
    text: `select p.events from belayer.pulse p join belayer.run r on r.no = p.run_no where r.id = '${run}'`,
  });
  expect(pulse?.events).toBe(events.length);
}

test('two hundred claims at once never reserve more than the ceiling', async () => {
  const { run, open } = await aRun(1_000);
  const opened = await Promise.all(
    Array.from({ length: 200 }, (_, index) => open(`${index + 1}`, `worker/${index}`)),
  );
  expect(opened.filter(({ verdict }) => verdict === 'claimed')).toHaveLength(10);
  expect(opened.filter(({ verdict }) => verdict === 'budget')).toHaveLength(190);
  expect(await moneyOf(run)).toEqual({ spent: 0, reserved: 1_000, ceiling: 1_000 });
});

test('two hundred claims at once of one position give it to the last, and charge the others in full', async () => {
  const { run, open } = await aRun(1_000_000);
  const opened = await Promise.all(
    Array.from({ length: 200 }, (_, index) => open('1', `w/${index}`)),
  );
  expect(new Set(opened.map(({ attempt }) => attempt)).size).toBe(200);
  expect(await moneyOf(run)).toMatchObject({ spent: 199 * 100, reserved: 100 });
  expect(await readJournal(database, run)).toHaveLength(199);
});

test('a claim that was given up is settled once, however often the next is refused', async () => {
  const { run, open } = await aRun(150);
  await open('1', 'dead');
  for (let time = 0; time < 3; time += 1)
    expect((await open('1', `next/${time}`)).verdict).toBe('budget');
  expect(await moneyOf(run)).toMatchObject({ spent: 100, reserved: 0 });
});

test('the same claim asked again is the same claim, with its fragments', async () => {
  const { run, open } = await aRun();
  const first = await open('1', 'w/1', { wantFrom: 0 });
  const again = await open('1', 'w/1', { wantFrom: 0 });
  expect(again).toEqual(first);
  expect(again.fragments).toHaveLength(1);
  expect(await moneyOf(run)).toMatchObject({ spent: 0, reserved: 100 });
});

test('a reply closed again is closed once; one that comes after a takeover changes nothing', async () => {
  const { run, open, close } = await aRun();
  const first = await open('1', 'slow');
  const second = await open('1', 'quick');
  expect(second.attempt).toBe(2);
  expect(await close(first.run_no, '1', { attempt: 1, token: 'slow' })).toMatchObject({
    verdict: 'late',
    answer: null,
  });
  for (let time = 0; time < 3; time += 1)
    expect(await close(first.run_no, '1', { attempt: 2, token: 'quick' })).toMatchObject({
      verdict: 'closed',
    });
  expect(await close(first.run_no, '1', { attempt: 1, token: 'slow' })).toMatchObject({
    verdict: 'late',
    answer: { reason: 'quick' },
  });
  expect(await moneyOf(run)).toMatchObject({ spent: 107, reserved: 0 });
  expect((await eventsOf(run)).map(({ kind }) => kind)).toEqual(['run.started', 'model.replied']);
  expect((await readJournal(database, run)).map(({ outcome }) => outcome)).toEqual(['late', 'ok']);
  await expectWhole(run);
});

test('a failure closed again is journalled and charged once', async () => {
  const { run, open, fail } = await aRun();
  const opened = await open('1', 'w/1');
  for (let time = 0; time < 3; time += 1)
    await fail(opened.run_no, '1', { attempt: 1, token: 'w/1' });
  expect(await readJournal(database, run)).toHaveLength(1);
  expect(await moneyOf(run)).toMatchObject({ spent: 0, reserved: 0 });
  await expectWhole(run);
});

test('a finished position answers the same prompt and refuses another', async () => {
  const { open, close } = await aRun();
  const opened = await open('1', 'w/1');
  await close(opened.run_no, '1', { attempt: 1, token: 'w/1' });
  expect(await open('1', 'w/2')).toMatchObject({ verdict: 'finished', answer: { reason: 'w/1' } });
  expect(await open('1', 'w/3', { requestHash: 'other' })).toMatchObject({ verdict: 'conflict' });
});

test('a reply whose place in the chain another position took is refused before it is paid for, and dropped after', async () => {
  const { run, open, close } = await aRun();
  const zombie = await open('1', 'zombie');
  const other = await open('1/fallback-1', 'other');
  await close(other.run_no, '1/fallback-1', { attempt: 1, token: 'other' });
  expect(await open('1/fallback-2', 'late')).toMatchObject({ verdict: 'conflict' });
  expect(await close(zombie.run_no, '1', { attempt: 1, token: 'zombie' })).toMatchObject({
    verdict: 'conflict',
  });
  expect(await moneyOf(run)).toMatchObject({ spent: 14, reserved: 0 });
  await expectWhole(run);
});

test('every claim that commits after a flag was raised has seen it', async () => {
  const { run, open } = await aRun(1_000_000);
  let raisedAt = Number.POSITIVE_INFINITY;
  let asked = 0;
  const all: { readonly askedAt: number; readonly verdict: string }[] = [];
  // Claims without a pause, from before the flag until some time after it.
  const claiming = Array.from({ length: 10 }, async () => {
    for (let afterwards = 0; afterwards < 3 && asked < 20_000;) {
      asked += 1;
      const askedAt = performance.now();
      const { verdict } = await open(`${asked}`, `w/${asked}`);
      all.push({ askedAt, verdict });
      if (askedAt > raisedAt) afterwards += 1;
    }
  });
  const raising = new Promise((resolve) => setTimeout(resolve, 100)).then(async () => {
    await ledger.raiseFlag('run', run, 'enough', 'tester');
    raisedAt = performance.now();
  });
  await Promise.all([...claiming, raising]);
  expect(all.some(({ verdict }) => verdict === 'claimed')).toBe(true);
  const after = all.filter(({ askedAt }) => askedAt > raisedAt);
  expect(after.length).toBeGreaterThan(10);
  expect(after.every(({ verdict }) => verdict === 'halted')).toBe(true);
  // A raised flag stands: between the last claim and the first refusal nothing is mixed by commit order.
  const [row] = await database.query<{ mixed: number }>({
    text: `select count(*)::int as mixed from belayer.call c join belayer.run r on r.no = c.run_no, belayer.stop_flag f
      where r.id = '${run}' and f.subject = r.id and c.claimed_at > f.set_at + interval '1 second'`,
  });
  expect(row?.mixed).toBe(0);
});

test('a run that has ended claims nothing any more and leaves nothing reserved', async () => {
  const { run, open, claim, close } = await aRun();
  const dead = await open('1', 'dead');
  await ledger.closeRun(run, {
    outcome: { kind: 'stopped', because: 'halted', detail: 'x' },
    steps: 1,
  });
  await ledger.closeRun(run, {
    outcome: { kind: 'stopped', because: 'halted', detail: 'y' },
    steps: 2,
  });
  expect(await moneyOf(run)).toMatchObject({ spent: 100, reserved: 0 });
  expect(await open('2', 'w')).toMatchObject({ verdict: 'halted' });
  expect(await claim('1.1', 'w')).toMatchObject({ verdict: 'halted' });
  expect(await close(dead.run_no, '1', { attempt: 1, token: 'dead' })).toMatchObject({
    verdict: 'late',
  });
  expect((await eventsOf(run)).map(({ kind }) => kind)).toEqual(['run.started', 'run.ended']);
  await expectWhole(run);
});

test('a hundred claims at once of one effect let one of them run it', async () => {
  const { claim } = await aRun();
  const claims = await Promise.all(
    Array.from({ length: 100 }, (_, index) => claim('1.1', `w/${index}`, { sendMs: 5_000 })),
  );
  expect(claims.filter(({ verdict }) => verdict === 'claimed')).toHaveLength(1);
  expect(claims.filter(({ verdict }) => verdict === 'wait')).toHaveLength(99);
});

test('an effect of unknown outcome is nobody’s to settle but whose it became', async () => {
  const { run, claim, settle } = await aRun();
  const first = await claim('1.1', 'frozen');
  const taken = await claim('1.1', 'other');
  expect(taken).toMatchObject({ verdict: 'unknown', attempt: 1 });
  expect(await settle(first.run_no, '1.1', { attempt: 1, token: 'frozen' })).toMatchObject({
    verdict: 'late',
  });
  expect(await claim('1.1', 'third', { verified: true })).toMatchObject({ verdict: 'unknown' });
  expect(await claim('1.1', 'third', { verified: true })).toMatchObject({ verdict: 'claimed' });
  expect((await readJournal(database, run)).map(({ outcome }) => outcome)).toEqual(['late']);
  await expectWhole(run);
});

test('one permission is for one attempt', async () => {
  const { run, claim, settle } = await aRun();
  const first = await claim('1.1', 'w/1');
  await settle(first.run_no, '1.1', { attempt: 1, token: 'w/1' }, 'unknown');
  await insertRequest(database, run, {
    position: '1.1/unknown',
    kind: 'unknown',
    tool: 'pay',
    argumentsHash: 'arguments-1.1',
    arguments: '{}',
    from: '1',
    id: 'call',
    deadlineMs: Date.now() + 60_000,
  });
  const again = { again: '1.1/unknown' };
  expect(await claim('1.1', 'w/2', again)).toMatchObject({ verdict: 'unknown' });
  await closeRequestRow(database, run, {
    position: '1.1/unknown',
    verdict: 'approved',
    by: 'tester',
    via: 'update',
  });
  expect(await claim('1.1', 'w/3', again)).toMatchObject({ verdict: 'claimed', attempt: 2 });
  expect(await claim('1.1', 'w/4', again)).toMatchObject({ verdict: 'unknown' });
  expect(await claim('1.1', 'w/5', again)).toMatchObject({ verdict: 'unknown' });
});

test('an unknown outcome recorded again is charged and told once', async () => {
  const { run, claim, settle } = await aRun();
  const first = await claim('1.1', 'w/1');
  for (let time = 0; time < 3; time += 1)
    expect(
      await settle(first.run_no, '1.1', { attempt: 1, token: 'w/1', cost: 5 }, 'unknown'),
    ).toMatchObject({ verdict: 'closed' });
  expect(await moneyOf(run)).toMatchObject({ spent: 5 });
  expect((await eventsOf(run)).map(({ kind }) => kind)).toEqual(['run.started', 'tool.failed']);
  await expectWhole(run);
});

test('a keyed effect runs again only while its key is remembered', async () => {
  const { claim } = await aRun();
  const keyed = { repeat: 'keyed' as const, keyValidMs: 300 };
  expect(await claim('1.1', 'w/1', keyed)).toMatchObject({ verdict: 'claimed', attempt: 1 });
  expect(await claim('1.1', 'w/2', keyed)).toMatchObject({ verdict: 'claimed', attempt: 2 });
  await new Promise((resolve) => setTimeout(resolve, 350));
  expect(await claim('1.1', 'w/3', keyed)).toMatchObject({ verdict: 'unknown', attempt: 2 });
});

test('under a halt an effect that is known not to have happened is not asked about', async () => {
  const { run, claim } = await aRun();
  await claim('1.1', 'w/1');
  expect(await claim('1.1', 'w/2')).toMatchObject({ verdict: 'unknown' });
  await ledger.raiseFlag('run', run, 'enough', 'tester');
  expect(await claim('1.1', 'w/2', { verified: true })).toMatchObject({ verdict: 'halted' });
});

test('a read recorded again is recorded once; another’s result is given, not written over', async () => {
  const { run } = await aRun();
  const record = (token: string, text: string | undefined) =>
    ledger.recordRead({
      run,
      position: '1.1',
      token,
      tool: 'order',
      requestHash: 'arguments',
      startedAt: new Date(),
      outcome: text === undefined ? 'failed' : 'ok',
      latencyMs: 1,
      costMicroUsd: 3,
      ...(text === undefined
        ? {}
        : {
            result: {
              answer: { kind: 'unknown', input: '', detail: text } as RunToolOutput,
              fragment: text,
              fragmentHash: sha256(text),
            },
          }),
      event: { tool: 'order' },
    });
  await record('w/1', undefined);
  await record('w/1', undefined);
  expect(await record('w/2', 'first')).toMatchObject({ verdict: 'recorded' });
  expect(await record('w/2', 'first')).toMatchObject({ verdict: 'finished' });
  expect(await record('w/3', 'second')).toMatchObject({
    verdict: 'finished',
    answer: { detail: 'first' },
  });
  expect(await readJournal(database, run)).toHaveLength(2);
  expect(await moneyOf(run)).toMatchObject({ spent: 6 });
  await expectWhole(run);
});

test('fifty starts with one key give one run', async () => {
  const started = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      insertNewRun(database, new Map(), {
        run: `keyed-${index}`,
        agent: 'clerk',
        input: 'go',
        key: 'ticket',
      }),
    ),
  );
  expect(new Set(started.map(({ run }) => run)).size).toBe(1);
  expect(started.filter(({ isNew }) => isNew)).toHaveLength(1);
});

test('sweeps at once take a run once', async () => {
  await database.query({
    text: `update belayer.run set created_at = clock_timestamp() - interval '1 minute'`,
  });
  const taken = (
    await Promise.all(Array.from({ length: 10 }, () => takeUnstarted(database)))
  ).flat();
  expect(new Set(taken.map(({ id }) => id)).size).toBe(taken.length);
  expect(taken.length).toBeGreaterThan(0);
});

test('what a model or a tool says with a NUL or half a character in it is kept, not refused', async () => {
  const { run, claim, open } = await aRun();
  const claimed = await claim('1.1', 'w/1');
  const text = 'a\u0000b\ud800c';
  const closed = await ledger.closeCall({
    runNo: claimed.run_no,
    position: '1.1',
    attempt: 1,
    token: 'w/1',
    state: 'done',
    outcome: 'failed',
    code: 'failed',
    detail: text,
    latencyMs: 1,
    costMicroUsd: 0,
    result: {
      answer: { kind: 'unknown', input: '', detail: text },
      fragment: JSON.stringify(text),
      fragmentHash: sha256(text),
    },
    event: { tool: text },
  });
  expect(closed.verdict).toBe('closed');
  const opened = await open('2', 'w/2');
  expect(
    await ledger.closeModelCall({
      runNo: opened.run_no,
      position: '2',
      attempt: 1,
      token: 'w/2',
      outcome: 'failed',
      detail: text,
      costMicroUsd: 0,
      tokens: 0,
      journal: { model: text },
      event: { model: text },
    }),
  ).toMatchObject({ verdict: 'closed' });
  expect((await readJournal(database, run)).map(({ detail }) => detail)).toEqual([
    'a\ufffdb\ufffdc',
    'a\ufffdb\ufffdc',
  ]);
});
