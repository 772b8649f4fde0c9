/** An effect happens once, or its outcome is unknown and the tool's `verify` or a human is asked. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import type { Run } from '../../client/index.ts';
import {
  defineAgent,
  defineApp,
  defineTool,
  NotDone,
  type ToolContext,
} from '../../definitions/index.ts';
import { readCalls, readJournal } from '../../storage/reading-runs.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventsOf } from '../support/cashier-runs.ts';
import { eventually } from '../support/eventually.ts';
import { type Payments, startPayments } from '../support/payments.ts';
import { killWorkerProcesses, startWorkerProcess } from '../support/worker-process.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let payments: Payments;

/** What the tools do, set by each test. */
type Act = (ctx: ToolContext, time: number) => unknown;
let act: Act;
let verified: () => { done: true; output: string } | { done: false } | { done: 'unknown' };
let keys: string[] = [];
let verifications = 0;
let reads = 0;

const input = z.object({});
const run = (_: unknown, ctx: ToolContext): unknown => {
  keys.push(ctx.idempotencyKey);
  return act(ctx, keys.length);
};
const common = { description: 'Pays.', effect: 'write', input, run } as const;
const retry = { attempts: 3, firstDelay: '10ms' } as const;
const keyed = defineTool({ ...common, name: 'keyed', repeat: 'keyed', timeout: '400ms', retry });
const brief = defineTool({
  ...common,
  name: 'brief',
  repeat: 'keyed',
  keyValid: '300ms',
  timeout: '400ms',
  retry,
});
const safe = defineTool({ ...common, name: 'safe', repeat: 'safe', timeout: '400ms', retry });
const never = defineTool({ ...common, name: 'never', repeat: 'never', timeout: '400ms', retry });
const checkedAs = (name: string) =>
  defineTool({
    ...common,
    name,
    repeat: 'never',
    timeout: '400ms',
    retry,
    verify: () => {
      verifications += 1;
      return Promise.resolve(verified());
    },
  });
const checked = checkedAs('checked');
// Each fails so seldom that its circuit stays closed: nobody waits for a breaker here.
const unclear = [checkedAs('unclear_1'), checkedAs('unclear_2')];
const shaped = defineTool({
  ...common,
  name: 'shaped',
  repeat: 'keyed',
  retry,
  output: z.object({ id: z.string() }),
  run: (given, ctx) => run(given, ctx) as { id: string },
});
const read = defineTool({
  name: 'read',
  description: 'Reads.',
  effect: 'read',
  input,
  run: () => `read ${(reads += 1)}`,
});

beforeAll(async () => {
  world = await createWorld();
  payments = await startPayments();
  await world.work(
    defineApp({
      agents: [
        defineAgent({
          name: 'payer',
          instructions: 'Pay.',
          tools: [keyed, brief, safe, never, checked, ...unclear, shaped, read],
        }),
      ],
    }),
  );
});
beforeEach(() => {
  keys = [];
  verifications = 0;
  act = () => 'paid';
  verified = () => ({ done: 'unknown' });
});
afterEach(() => killWorkerProcesses());
afterAll(async () => {
  await payments?.stop();
  await world?.stop();
});

/** A run that calls one tool once. */
async function calls(tool: string): Promise<Run<string>> {
  world.provider.script([reply.tools({ [tool]: {} }), reply.text('ok')]);
  return (await world.belayer.start('payer', { input: 'go' })) as Run<string>;
}
const asked = (of: Run, position = '1.1/unknown') =>
  eventually(async () =>
    (await of.requests()).find(
      (request) => request.state === 'open' && request.position === position,
    ),
  );
const toldToTheModel = (): unknown => {
  const { messages } = JSON.parse(world.provider.requests.at(-1)?.body ?? '') as {
    messages: { content: string }[];
  };
  const text = messages.at(-1)?.content ?? '';
  return text.startsWith('{') ? (JSON.parse(text) as unknown) : text;
};
const outcomesOf = async (of: Run) =>
  (await readJournal(world.database, of.id))
    .filter((row) => row.kind === 'tool')
    .map((row) => row.outcome);

test('a write that certainly did not happen is tried again, and in the end told to the model', async () => {
  act = (_, time) => {
    if (time < 3) throw new NotDone('declined', { retryable: true });
    return 'paid';
  };
  const run1 = await calls('never');
  expect(await run1.output()).toBe('ok');
  expect(toldToTheModel()).toBe('paid');
  expect(await outcomesOf(run1)).toEqual(['failed', 'failed', 'ok']);
  keys = [];
  act = () => {
    throw new NotDone('declined', { retryable: true });
  };
  const run2 = await calls('never');
  expect(await run2.output()).toBe('ok');
  expect(toldToTheModel()).toMatchObject({ error: { code: 'declined', attempts: 3 } });
  expect(keys).toHaveLength(3);
  expect(await run2.requests()).toEqual([]);
});

test('a write that may have happened is asked about; approved, it runs exactly once more', async () => {
  act = (_, time) => {
    if (time === 1) throw new Error('connection lost');
    return 'paid';
  };
  const own = await calls('never');
  const request = await asked(own);
  expect(request).toMatchObject({ kind: 'unknown', tool: 'never' });
  expect(keys).toHaveLength(1);
  await own.approve(request.position);
  expect(await own.output()).toBe('ok');
  expect(toldToTheModel()).toBe('paid');
  expect(keys).toHaveLength(2);
});

test('a write that may have happened twice is asked about twice, each permission for one attempt', async () => {
  act = (_, time) => {
    if (time < 3) throw new Error('connection lost');
    return 'paid';
  };
  const own = await calls('never');
  await own.approve((await asked(own)).position);
  await own.approve((await asked(own, '1.1/unknown-2')).position);
  expect(await own.output()).toBe('ok');
  expect(keys).toHaveLength(3);
});

test('a write that may have happened is denied: the model is told that nobody knows', async () => {
  act = () => {
    throw new Error('connection lost');
  };
  const own = await calls('never');
  await own.deny((await asked(own)).position);
  expect(await own.output()).toBe('ok');
  expect(toldToTheModel()).toMatchObject({ error: { code: 'outcome_unknown', retryable: false } });
  expect(keys).toHaveLength(1);
});

test('verify says that it is done: its output is the result, and nothing runs again', async () => {
  act = () => {
    throw new Error('connection lost');
  };
  verified = () => ({ done: true, output: 'paid before' });
  const own = await calls('checked');
  expect(await own.output()).toBe('ok');
  expect(toldToTheModel()).toBe('paid before');
  expect(keys).toHaveLength(1);
});

test('verify says that it is not done: it runs again', async () => {
  act = (_, time) => {
    if (time === 1) throw new Error('connection lost');
    return 'paid';
  };
  verified = () => ({ done: false });
  const own = await calls('checked');
  expect(await own.output()).toBe('ok');
  expect(toldToTheModel()).toBe('paid');
  expect(keys).toHaveLength(2);
});

test('verify does not know: a human is asked', async () => {
  act = () => {
    throw new Error('connection lost');
  };
  const own = await calls('checked');
  await own.deny((await asked(own)).position);
  expect(await own.output()).toBe('ok');
  expect(keys).toHaveLength(1);
  expect(verifications).toBe(1);
});

test('verify is asked after the last attempt too, and its no is told to the model', async () => {
  act = () => {
    throw new Error('connection lost');
  };
  verified = () => ({ done: false });
  const own = await calls('checked');
  expect(await own.output()).toBe('ok');
  expect(toldToTheModel()).toMatchObject({ error: { code: 'not_done', attempts: 3 } });
  expect(keys).toHaveLength(3);
  expect(verifications).toBe(3);
  expect(await own.requests()).toEqual([]);
});

test('a keyed write that timed out is sent again with the same key', async () => {
  act = (_, time) => (time === 1 ? new Promise(() => undefined) : 'paid');
  const own = await calls('keyed');
  expect(await own.output()).toBe('ok');
  expect(keys).toEqual([`${own.id}/1.1`, `${own.id}/1.1`]);
  expect(await outcomesOf(own)).toEqual(['unknown', 'ok']);
});

test('a keyed write whose key has been forgotten is not sent again: a human is asked', async () => {
  act = () => new Promise(() => undefined);
  const own = await calls('brief');
  const request = await asked(own);
  expect(keys).toHaveLength(1);
  await own.deny(request.position);
  expect(await own.output()).toBe('ok');
});

test('a late attempt can neither settle nor overwrite', async () => {
  let finish: (value: string) => void = () => undefined;
  act = (_, time) =>
    time === 1 ? new Promise((resolve) => (finish = resolve)) : 'paid by the second';
  const own = await calls('safe');
  expect(await own.output()).toBe('ok');
  finish('paid by the first');
  await new Promise((resolve) => setTimeout(resolve, 100));
  const [call] = (await readCalls(world.database, own.id)).filter(({ kind }) => kind === 'tool');
  expect(call).toMatchObject({ state: 'done', attempt: 2 });
  expect(call?.fragment).toContain('paid by the second');
});

test('a write whose output does not fit has happened: it is not sent again', async () => {
  act = () => ({ no: 'id' });
  const own = await calls('shaped');
  expect(await own.output()).toBe('ok');
  expect(toldToTheModel()).toMatchObject({ error: { code: 'bad_output' } });
  expect(keys).toHaveLength(1);
});

test('a frozen worker that wakes up after its work was given away changes nothing', async () => {
  const queue = 'thaw';
  payments.conduct(() => ({ thinkMs: 500 }));
  world.provider.script((request) =>
    request.messages.length > 2 ? reply.text('ok') : reply.tools({ charge: { id: 'A-17' } }),
  );
  const first = await startWorkerProcess(world, { paymentsUrl: payments.url, taskQueue: queue });
  const before = payments.requests.length;
  const client = await world.clientOn(queue);
  const own = (await client.start('cashier', { input: 'go' })) as Run<string>;
  await eventually(() => payments.requests.length > before);
  first.freeze();
  const second = await startWorkerProcess(world, { paymentsUrl: payments.url, taskQueue: queue });
  expect(await own.output()).toBe('ok');
  const journal = await readJournal(world.database, own.id);
  const events = await eventsOf(own);
  first.thaw();
  await eventually(async () =>
    (await readJournal(world.database, own.id)).some(({ outcome }) => outcome === 'late'),
  );
  expect(await eventsOf(own)).toEqual(events);
  expect(payments.moved.get(`${own.id}/1.1`)).toBe(1);
  expect((await readJournal(world.database, own.id)).length).toBe(journal.length);
  expect(await first.drain()).toBe(0);
  expect(await second.drain()).toBe(0);
});

async function resetToStart(own: Run): Promise<void> {
  const description = await world.temporal.workflow.getHandle(own.id).describe();
  const { history } = await world.temporal.workflowService.getWorkflowExecutionHistory({
    namespace: 'default',
    execution: { workflowId: own.id, runId: description.runId },
  });
  // Everything after the first workflow task is decided again.
  const firstTask = history?.events?.find((event) => event.workflowTaskCompletedEventAttributes);
  await world.temporal.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: own.id, runId: description.runId },
    reason: 'test',
    workflowTaskFinishEventId: firstTask?.eventId ?? null,
    requestId: `reset-${Math.random()}`,
  });
}

test('a run that Temporal resets finds its finished positions: nothing is asked or paid again', async () => {
  world.provider.script([
    reply.tools({ keyed: {}, read: {} }),
    reply.tools({ never: {} }),
    reply.text('first'),
  ]);
  const own = (await world.belayer.start('payer', { input: 'go' })) as Run<string>;
  expect(await own.output()).toBe('first');
  const [sent, done, cost] = [
    world.provider.requests.length,
    keys.length,
    (await own.status()).costMicroUsd,
  ];
  world.provider.script(() => reply.text('second'));
  await resetToStart(own);
  const again = await world.temporal.workflow.getHandle(own.id).result();
  expect(again).toMatchObject({ kind: 'done' });
  expect(await own.output()).toBe('first');
  expect(world.provider.requests.length).toBe(sent);
  expect(keys.length).toBe(done);
  expect((await own.status()).costMicroUsd).toBe(cost);
  // The read ran again, and what it found before is what counts.
  expect(reads).toBe(2);
  const [call] = (await readCalls(world.database, own.id)).filter(({ name }) => name === 'read');
  expect(call?.fragment).toContain('read 1');
});

test('a run that Temporal resets finds what humans decided, and asks nobody again', async () => {
  act = (_, time) => {
    if (time === 1) throw new Error('connection lost');
    return 'paid';
  };
  const own = await calls('never');
  await own.approve((await asked(own)).position);
  expect(await own.output()).toBe('ok');
  await resetToStart(own);
  expect(await world.temporal.workflow.getHandle(own.id).result()).toMatchObject({ kind: 'done' });
  expect(keys).toHaveLength(2);
  expect(await own.requests()).toHaveLength(1);
});

test('a halted run that waits to hear what became of an effect can be told, and ends', async () => {
  act = () => {
    throw new Error('connection lost');
  };
  const own = await calls('never');
  const request = await asked(own);
  await own.halt('enough');
  await own.deny(request.position, { reason: 'it did happen' });
  expect(await own.outcome()).toMatchObject({ kind: 'stopped', because: 'halted' });
  expect(keys).toHaveLength(1);
});

test('a reset that goes another way is a conflict, and pays for nothing', async () => {
  world.provider.script([reply.tools({ keyed: {} }), reply.text('first')]);
  const own = (await world.belayer.start('payer', { input: 'go' })) as Run<string>;
  await own.output();
  // As if the ledger and the history had parted: the first reply is another one now.
  await world.database.query({
    text: `update belayer.call c set request_hash = 'of another prompt' from belayer.run r
      where r.id = '${own.id}' and c.run_no = r.no and c.position = '2'`,
  });
  const sent = world.provider.requests.length;
  await resetToStart(own);
  const failure = await world.temporal.workflow
    .getHandle(own.id)
    .result()
    .catch((error: Error) => error.cause);
  expect(failure).toMatchObject({ type: 'PositionConflict' });
  expect(world.provider.requests.length).toBe(sent);
  expect(keys).toHaveLength(1);
});

test('names and texts with a NUL in them neither lose a reply nor an effect', async () => {
  act = (_, time) => {
    if (time === 1) throw new Error('lost \u0000 connection');
    return 'paid \u0000';
  };
  world.provider.script([
    {
      toolCalls: [
        { name: 'ke\u0000yed', arguments: {} },
        { name: 'keyed', arguments: '{"\u0000": 1}' },
        { name: 'keyed', arguments: {}, id: 'call\u0000' },
      ],
    },
    reply.text('ok \u0000'),
  ]);
  const own = (await world.belayer.start('payer', { input: 'go \u0000' })) as Run<string>;
  expect(await own.output()).toBe('ok \u0000');
  expect(toldToTheModel()).toBe('paid \u0000');
});

test('a verification that fails is told to the human who is asked', async () => {
  act = () => {
    throw new Error('connection reset', { cause: new Error('the cable') });
  };
  verified = () => {
    throw new Error('lookup down');
  };
  const of = await calls('checked');
  const request = await asked(of);
  expect(request.detail).toContain('lookup down');
  expect(request.evidence[0]?.detail?.split('\n')[0]).toBe(
    'Error: connection reset, because: the cable',
  );
  await of.deny(request.position);
  await of.output();
});

let unclearCalls = 0;
test.each([
  [true],
  ['done'],
  [{}],
  [{ done: 1 }],
  [{ done: 'true' }],
  [null],
  [undefined],
  [[]],
  [7],
])(
  'a verification that answers %j has not said that nothing happened: a human is asked',
  async (said) => {
    act = () => {
      throw new Error('connection reset');
    };
    verified = () => said as never;
    unclearCalls += 1;
    const of = await calls(`unclear_${1 + (unclearCalls % 2)}`);
    const request = await asked(of);
    expect(keys).toHaveLength(1);
    expect(request.detail).toContain('`verify` answered');
    await of.deny(request.position);
    await of.output();
  },
);

test('a keyed call that a human lets run again begins anew, with all its attempts', async () => {
  act = (_, time) => {
    if (time <= 5) throw new Error('connection reset');
    return 'paid';
  };
  const of = await calls('keyed');
  await of.approve((await asked(of)).position);
  expect(await of.output()).toBe('ok');
  expect(keys).toHaveLength(6);
  expect(new Set(keys).size).toBe(1);
});

test('an effect whose answer cannot be used is told as done, and not to be done again', async () => {
  act = () => ({ no: 'id' });
  const of = await calls('shaped');
  await of.output();
  expect(toldToTheModel()).toMatchObject({
    error: {
      code: 'bad_output',
      message: expect.stringContaining('It happened'),
      hint: expect.stringContaining('do not do it again'),
    },
  });
});
