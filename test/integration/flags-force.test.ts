/** Ends by force: runs whose workflow cannot answer. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Run } from '../../client/index.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { readCalls, readJournal } from '../../storage/reading-runs.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let hung: (() => void)[] = [];
const hang = defineTool({
  name: 'hang',
  description: 'Sends money, and does not come back.',
  effect: 'write',
  repeat: 'never',
  timeout: '5 minutes',
  input: z.object({}),
  run: () => new Promise<string>((resolve) => hung.push(() => resolve('sent after all'))),
});
const payer = defineAgent({ name: 'payer', instructions: 'Pay.', tools: [hang] });
const boss = defineAgent({
  name: 'boss',
  instructions: 'Delegate.',
  tools: [payer.asTool({ description: 'Pays.' })],
});

beforeAll(async () => {
  world = await createWorld();
  await world.work(defineApp({ agents: [payer, boss] }));
});
afterAll(async () => {
  for (const end of hung) end();
  await world?.stop();
});

const pays = () =>
  world.provider.script(({ messages }) =>
    messages.some(({ role }) => role === 'tool') ? reply.text('paid') : reply.tools({ hang: {} }),
  );
const hanging = async (run: Run | { readonly id: string }): Promise<void> => {
  const before = hung.length;
  await eventually(
    async () =>
      (await readCalls(world.database, run.id)).some(
        ({ name, state }) => name === 'hang' && state === 'claimed',
      ) && hung.length >= before,
  );
};
const statusOf = async (id: string): Promise<string> =>
  (await world.temporal.workflow.getHandle(id).describe()).status.name;

test('a run that no worker carries out is ended by force, and its books are closed', async () => {
  const nobody = await world.clientOn('nobody-works-here');
  const run = await nobody.start('payer', { input: 'go' });
  const waiting = run.outcome();
  const forced = await run.halt('parked', { force: true, by: 'ann' });
  expect(forced).toEqual({
    run: run.id,
    ended: 'by-force',
    outcome: { kind: 'stopped', because: 'halted', detail: 'forced: parked' },
    terminated: [run.id],
    unknown: [],
  });
  // Who waited all the time reads the same, not Temporal's word for it.
  expect(await waiting).toEqual(forced.outcome);
  expect(await statusOf(run.id)).toBe('TERMINATED');
  expect(await run.status()).toMatchObject({ state: 'stopped', reservedMicroUsd: 0 });
  expect(await world.belayer.flags()).toEqual([]);
  for (const force of [true, false] as const)
    await expect(run.halt('again', { force } as { force: true })).rejects.toMatchObject({
      type: 'DecisionRejected',
      message: expect.stringContaining('has ended already'),
    });
});

test('an effect in flight of a forced run is unknown, is named, and nothing of the run is claimed any more', async () => {
  pays();
  const run = await world.belayer.start('payer', { input: 'go' });
  await hanging(run);
  const forced = await run.halt('it hangs', { force: true });
  expect(forced.unknown).toEqual([{ run: run.id, position: '1.1' }]);
  expect(forced.outcome).toMatchObject({
    detail: 'forced: it hangs (not known what became of: 1.1)',
  });
  const [, call] = await readCalls(world.database, run.id);
  expect(call).toMatchObject({ position: '1.1', state: 'unknown' });
  expect(await readJournal(world.database, run.id)).toContainEqual(
    expect.objectContaining({ position: '1.1', number: 1, outcome: 'lost' }),
  );
  expect(await run.status()).toMatchObject({ state: 'stopped', steps: 1, reservedMicroUsd: 0 });
  const [claim] = await world.database.query<{ verdict: string }>(
    {
      text: `select verdict from belayer.claim_call($1, '2.1', 'late', 'hang', 'x', 'safe', 0, 1000, null, false)`,
    },
    [run.id],
  );
  expect(claim?.verdict).toBe('halted');
  const [again] = await world.database.query<{ verdict: string }>(
    {
      text: `select verdict from belayer.claim_call($1, '1.1', 'late', 'hang',
        (select request_hash from belayer.call c join belayer.run r on r.no = c.run_no where r.id = $1 and position = '1.1'),
        'safe', 0, 1000, null, false)`,
    },
    [run.id],
  );
  expect(again?.verdict).toBe('unknown');
});

test('sub-agents end with their caller: workflows terminated, books closed, money settled', async () => {
  world.provider.script(({ messages, tools }) =>
    messages.some(({ role }) => role === 'tool')
      ? reply.text('paid')
      : JSON.stringify(tools).includes('"hang"')
        ? reply.tools({ hang: {} })
        : reply.tools({ payer: { input: 'pay' } }),
  );
  const run = await world.belayer.start('boss', { input: 'go' });
  const child = { id: `${run.id}/1.1` };
  await eventually(async () => (await world.belayer.runs()).some(({ id }) => id === child.id));
  await hanging(child);
  const forced = await run.halt('enough', { force: true });
  expect(forced.unknown).toEqual([{ run: child.id, position: '1.1' }]);
  expect(forced.terminated[0]).toBe(run.id);
  for (const id of [run.id, child.id]) {
    await eventually(async () => (await statusOf(id)) !== 'RUNNING');
    expect(await (await world.belayer.run(id)).status()).toMatchObject({
      state: 'stopped',
      reservedMicroUsd: 0,
    });
  }
  const [own, childs] = [await run.status(), await (await world.belayer.run(child.id)).status()];
  expect(own.costMicroUsd).toBeGreaterThanOrEqual(childs.costMicroUsd);
  // A sub-agent that the dead caller's activity would still start is refused: no row without an end is left.
  await expect(
    world.database.query({
      text: `select * from belayer.start_run('${run.id}/9.9', 'payer', '', null,
        (select hash from belayer.definition where agent = 'payer'), 'x', null, '{}', 'h', 1, 1, '${run.id}', '9.9')`,
    }),
  ).rejects.toMatchObject({ code: 'BL001' });
});

test('what an effect’s end says after the force is still recorded', async () => {
  pays();
  const run = await world.belayer.start('payer', { input: 'go' });
  await hanging(run);
  await run.halt('it hangs', { force: true });
  hung.at(-1)?.();
  hung = hung.slice(0, -1);
  await eventually(async () => (await readCalls(world.database, run.id))[1]?.state === 'done');
  expect(await run.outcome()).toMatchObject({ detail: expect.stringContaining('1.1') });
});

test('books that were closed without their workflow, by a caller that died, are finished by the same command', async () => {
  const nobody = await world.clientOn('nobody-works-here');
  const run = await nobody.start('payer', { input: 'go' });
  await world.database.query({ text: 'select * from belayer.force_close($1, $2)' }, [
    run.id,
    'forced: half',
  ]);
  expect(await run.halt('again', { force: true })).toMatchObject({
    ended: 'by-force',
    terminated: [run.id],
  });
  await expect(run.halt('again', { force: true })).rejects.toMatchObject({
    type: 'DecisionRejected',
  });
});

test('a workflow that is gone leaves no run open: its books are closed all the same', async () => {
  const nobody = await world.clientOn('nobody-works-here');
  const run = await nobody.start('payer', { input: 'go' });
  await world.temporal.workflow.getHandle(run.id).terminate('by hand');
  expect(await run.halt('gone', { force: true })).toMatchObject({
    ended: 'by-force',
    terminated: [],
  });
  expect(await run.status()).toMatchObject({ state: 'stopped' });
});

test('a run that ends in order while it is forced keeps its own end, and that is said', async () => {
  world.provider.script(() => ({ text: 'fast', thinkMs: 30 }));
  const said = new Set<string>();
  for (let round = 0; round < 12; round += 1) {
    const run = await world.belayer.start('payer', { input: 'go' });
    await new Promise((resolve) => setTimeout(resolve, round * 8));
    const forced = await run.halt('race', { force: true }).catch((error: Error) => error.name);
    const outcome = await run.outcome();
    if (typeof forced === 'string') expect(outcome).toMatchObject({ kind: 'done' });
    else if (forced.ended === 'in-order') expect(outcome.kind).not.toBe('failed');
    else expect(outcome).toEqual(forced.outcome);
    said.add(typeof forced === 'string' ? forced : forced.ended);
  }
  process.stderr.write(`a force that races with the end said: ${[...said].join(', ')}\n`);
});

test('a run that does not exist cannot be forced', async () => {
  const { forceHalt } = await import('../../client/force-halt.ts');
  await expect(
    forceHalt({ database: world.database, temporal: world.temporal }, 'payer-none', {
      reason: 'x',
      by: 'ann',
    }),
  ).rejects.toMatchObject({ type: 'RunUnknown' });
});
