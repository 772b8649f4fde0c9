/** A halt finds a run wherever it is: nothing starts after it was accepted, and the run ends. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import type { RunStateView } from '../../contracts/messages.ts';
import type { Run } from '../../client/index.ts';
import {
  askHuman,
  defineAgent,
  defineApp,
  defineTool,
  ToolError,
} from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let tries = 0;
let lingering = 0;
let aborted = 0;

const flaky = defineTool({
  name: 'flaky',
  description: 'Fails, and is tried again late.',
  effect: 'egress',
  retry: { attempts: 10, firstDelay: '20 seconds' },
  input: z.object({}),
  run: () => {
    tries += 1;
    throw new ToolError('away', { retryable: true });
  },
});
const linger = defineTool({
  name: 'linger',
  description: 'Ends when it is aborted.',
  effect: 'egress',
  timeout: '60 seconds',
  input: z.object({}),
  run: (_, { signal }) =>
    new Promise((_resolve, reject) => {
      lingering += 1;
      signal.addEventListener('abort', () => {
        aborted += 1;
        reject(new Error('aborted'));
      });
    }),
});
const child = defineAgent({ name: 'child', instructions: 'Work.', tools: [linger] });
const parent = defineAgent({
  name: 'parent',
  instructions: 'Work.',
  tools: [flaky, linger, child.asTool(), askHuman()],
  escalate: ['budget'],
});
const talker = defineAgent({ name: 'talker', instructions: 'Talk.', session: true });

beforeAll(async () => {
  world = await createWorld();
  await world.work(defineApp({ agents: [parent, child, talker] }));
});
afterAll(async () => world?.stop());
beforeEach(() => {
  tries = 0;
  lingering = 0;
  aborted = 0;
});

const start = (limits?: { readonly steps: number }): Promise<Run> =>
  world.belayer.start('parent', {
    input: 'go',
    customer: 'acme',
    ...(limits === undefined ? {} : { limits }),
  });
const phase = async (run: Run): Promise<string> =>
  (await world.temporal.workflow.getHandle(run.id).query<RunStateView>('state')).phase;

const clean = { late: 0, reserved: 0 };

/** Halts, and holds the run to its end: halted, with nothing claimed after the halt was accepted. */
async function haltAndEnd(run: Run): Promise<{ readonly late: number; readonly reserved: number }> {
  await run.halt('enough', { by: 'ann' });
  const [accepted] = await world.database.query<{ at: Date }>({
    text: 'select clock_timestamp() as at',
  });
  expect(await run.outcome()).toMatchObject({ kind: 'stopped', because: 'halted' });
  const late = await world.database.query({
    text: `select c.position from belayer.call c join belayer.run r on r.no = c.run_no
      where starts_with(r.id, '${run.id}') and c.claimed_at > '${accepted?.at.toISOString()}'`,
  });
  expect((await run.requests()).filter(({ state }) => state === 'open')).toEqual([]);
  const [budget] = await world.database.query<{ reserved: number }>({
    text: `select b.reserved_micro_usd as reserved from belayer.budget b join belayer.run r on r.no::text = b.subject
      where r.id = '${run.id}' and b.scope = 'run'`,
  });
  return { late: late.length, reserved: budget?.reserved ?? -1 };
}

test('during a streaming model call', async () => {
  const asked = world.provider.requests.length;
  world.provider.script([{ text: 'x'.repeat(100), chunkCount: 100, chunkDelayMs: 500 }]);
  const run = await start();
  await eventually(() => world.provider.requests.length > asked);
  expect(await haltAndEnd(run)).toEqual(clean);
});

test('during the back-off of a tool', async () => {
  world.provider.script([reply.tools({ flaky: {} })]);
  const run = await start();
  await eventually(() => tries === 1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await haltAndEnd(run)).toEqual(clean);
  expect(tries).toBe(1);
});

test('during the back-off of a model', async () => {
  const asked = world.provider.requests.length;
  world.provider.script([{ status: 429, retryAfterMs: 30_000 }, reply.text('late')]);
  const run = await start();
  await eventually(() => world.provider.requests.length > asked);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await haltAndEnd(run)).toEqual(clean);
  expect(world.provider.requests.length).toBe(asked + 1);
});

test('during a child run, which ends with it', async () => {
  world.provider.script([reply.tools({ child: { input: 'x' } }), reply.tools({ linger: {} })]);
  const run = await start();
  await eventually(() => lingering === 1);
  expect(await haltAndEnd(run)).toEqual(clean);
  expect(aborted).toBe(1);
  const below = (await world.belayer.runs()).find(({ parent: above }) => above === run.id);
  expect(below).toMatchObject({ state: 'stopped' });
});

test('a pause reaches a child run, and so does its end', async () => {
  world.provider.script([
    reply.tools({ child: { input: 'x' } }),
    { ...reply.tools({ ask_human: { question: 'lost?' } }), thinkMs: 700 },
    reply.text('child done'),
    reply.text('parent done'),
  ]);
  const asked = world.provider.requests.length;
  const run = await start();
  await eventually(() => world.provider.requests.length === asked + 2);
  await run.pause('a look');
  const below = await eventually(async () =>
    (await world.belayer.runs()).find(({ parent: above }) => above === run.id),
  );
  await eventually(async () =>
    (await world.belayer.run(below.id)).status().then(({ state }) => state === 'paused'),
  );
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  // The call that was in flight ended; the next one of the child has not begun.
  expect(world.provider.requests.length).toBe(asked + 2);
  await run.resume();
  expect(await run.output()).toBe('parent done');
});

test('while a question waits for its answer, and while a limit waits to be raised', async () => {
  world.provider.script([reply.tools({ ask_human: { question: 'Well?' } })]);
  const asking = await start();
  await eventually(async () => (await phase(asking)) === 'waiting-for-human');
  expect(await haltAndEnd(asking)).toEqual(clean);
  world.provider.script([reply.tools({ ask_human: '{' })]);
  const limited = await start({ steps: 1 });
  await eventually(async () => (await phase(limited)) === 'waiting-for-human');
  expect(await haltAndEnd(limited)).toEqual(clean);
});

test('while it is paused, and while a session waits for its next message', async () => {
  world.provider.script([{ ...reply.text('late'), thinkMs: 300 }, reply.text('hello')]);
  const paused = await start();
  await paused.pause('a look');
  expect(await haltAndEnd(paused)).toEqual(clean);
  const turn = await world.belayer.send('talker', { session: 's', message: 'hi' });
  await turn.output();
  const { run } = turn;
  await eventually(async () => (await phase(run)) === 'waiting-for-message');
  expect(await haltAndEnd(run)).toEqual(clean);
});

test('a customer’s stop flag aborts a model call in flight at once', async () => {
  const asked = world.provider.requests.length;
  world.provider.script([{ text: 'late', thinkMs: 60_000 }]);
  const run = await start();
  await eventually(() => world.provider.requests.length > asked);
  const began = Date.now();
  await world.belayer.stop({ customer: 'acme' }, { reason: 'all of it' });
  expect(await run.outcome()).toMatchObject({ kind: 'stopped', because: 'halted' });
  // By notification, not by the next heartbeat, which comes after 3 s at the earliest.
  expect(Date.now() - began).toBeLessThan(3_000);
  await world.belayer.lift({ customer: 'acme' }, { reason: 'over' });
});
