import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Run } from '../../client/index.ts';
import { askHuman, defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { sha256 } from '../../storage/hash.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
const paid: string[] = [];

const pay = (
  name: string,
  approval: Exclude<Parameters<typeof defineTool>[0]['approval'], undefined>,
) =>
  defineTool({
    name,
    description: 'Pay.',
    effect: 'write',
    repeat: 'keyed',
    approval: approval as 'always',
    input: z.object({ id: z.string() }),
    run: ({ id }) => {
      paid.push(id);
      return { paid: id };
    },
  });
const agent = defineAgent({
  name: 'clerk',
  instructions: 'Work.',
  tools: [
    pay('pay_by_two', {
      when: 'always',
      deadline: '500ms',
      deciders: ['ann'],
      escalateTo: { deciders: ['boss'], deadline: '1 minute' },
    }),
    pay('pay_hastily', {
      when: 'always',
      deadline: '300ms',
      escalateTo: { deadline: '300ms' },
    }),
    pay('pay_on_record', { when: 'always', recordedOnly: true }),
    pay('pay', 'always'),
    askHuman({ deadline: '1 minute' }),
  ],
});
const stubborn = defineAgent({
  name: 'stubborn',
  instructions: 'Work.',
  output: z.object({ answer: z.number() }),
  escalate: ['model', 'output', 'refusal'],
});

const guarded = defineAgent({
  name: 'guarded',
  instructions: 'Work.',
  tools: [askHuman()],
  limits: { steps: 1 },
  ask: { deciders: ['ann'], recordedOnly: true },
  escalate: ['budget'],
});

beforeAll(async () => {
  world = await createWorld();
  await world.work(defineApp({ agents: [agent, stubborn, guarded] }));
});
afterAll(async () => world?.stop());

const open = (run: Run, level = 0) =>
  eventually(async () =>
    (await run.requests()).find((request) => request.state === 'open' && request.level === level),
  );
const prompt = (): string => world.provider.requests.at(-1)?.body ?? '';
const script = (tool: string, id: string): void =>
  world.provider.script([reply.tools({ [tool]: { id } }), reply.text('done')]);
const rejected = (because: string) => ({
  type: 'DecisionRejected',
  message: expect.stringContaining(because),
});

test('only who may decide decides, and after the deadline the level above may as well', async () => {
  paid.length = 0;
  script('pay_by_two', 'A');
  const run = await world.belayer.start('clerk', { input: 'go' });
  const first = await open(run);
  expect(first).toMatchObject({ deciders: ['ann'], atDeadline: 'escalate', level: 0 });
  await expect(run.approve(first.position, { by: 'boss' })).rejects.toMatchObject(
    rejected('may not decide'),
  );
  const above = await open(run, 1);
  expect(above).toMatchObject({ deciders: ['ann', 'boss'], atDeadline: 'deny' });
  await expect(run.approve(above.position, { by: 'eve' })).rejects.toMatchObject(
    rejected('may not decide'),
  );
  await run.approve(above.position, { by: 'boss' });
  expect(await run.output()).toBe('done');
  expect(paid).toEqual(['A']);
  const kinds: string[] = [];
  for await (const event of run.watch()) kinds.push(event.kind);
  expect(kinds.filter((kind) => kind === 'request.escalated')).toHaveLength(1);
});

test('silence at both levels is a no', async () => {
  paid.length = 0;
  script('pay_hastily', 'B');
  const run = await world.belayer.start('clerk', { input: 'go' });
  expect(await run.output()).toBe('done');
  expect(paid).toEqual([]);
  expect((await run.requests())[0]).toMatchObject({ state: 'expired', level: 1 });
  expect(prompt()).toContain('No human approved');
});

test('where decisions must be on record, one by Temporal alone is refused, and a forged one too', async () => {
  paid.length = 0;
  script('pay_on_record', 'C');
  const run = await world.belayer.start('clerk', { input: 'go' });
  const request = await open(run);
  const handle = world.temporal.workflow.getHandle(run.id);
  const raw = { request: request.position, argumentsHash: request.argumentsHash, by: 'ann' };
  await expect(handle.executeUpdate('approve', { args: [raw] })).rejects.toMatchObject({
    cause: expect.objectContaining({ message: expect.stringContaining('on record') }),
  });
  // It names a row that is not there: found out where the database is.
  await expect(
    handle.executeUpdate('approve', { args: [{ ...raw, decision: 'made-up' }] }),
  ).rejects.toMatchObject({
    cause: expect.objectContaining({ message: expect.stringContaining('not there') }),
  });
  await handle.signal('approve', { ...raw, decision: 'made-up-too' });
  await eventually(async () => {
    let refused = 0;
    const watching = run.watch({ signal: AbortSignal.timeout(1_000) });
    for await (const event of watching) if (event.kind === 'request.refused') refused += 1;
    return refused === 2;
  });
  expect(paid).toEqual([]);
  await run.approve(request.position, { by: 'ann' });
  expect(await run.output()).toBe('done');
  expect(paid).toEqual(['C']);
});

test('of many decisions at once one counts, and the others are told so', async () => {
  paid.length = 0;
  script('pay', 'D');
  const run = await world.belayer.start('clerk', { input: 'go' });
  const { position, argumentsHash } = await open(run);
  const decisions = await Promise.allSettled(
    Array.from({ length: 8 }, (_, index) =>
      index % 2 === 0
        ? run.approve(position, { by: `p${index}`, argumentsHash })
        : run.deny(position, { by: `p${index}`, argumentsHash }),
    ),
  );
  const taken = decisions.filter(({ status }) => status === 'fulfilled');
  expect(taken).toHaveLength(1);
  await run.output();
  const [request] = await run.requests();
  expect(paid).toEqual(request?.state === 'approved' ? ['D'] : []);
});

test('the same decision sent again counts once; another under its name is refused', async () => {
  script('pay', 'E');
  const run = await world.belayer.start('clerk', { input: 'go' });
  const { position } = await open(run);
  const options = { by: 'ann', id: 'decision-1' };
  expect(await run.approve(position, options)).toMatchObject({ verdict: 'approved' });
  await expect(run.deny(position, options)).rejects.toMatchObject(rejected('on record'));
  await run.output();
});

test('a decision about a request of another run changes nothing there', async () => {
  world.provider.script([
    reply.tools({ pay: { id: 'F' } }),
    reply.tools({ pay: { id: 'G' } }),
    reply.text('done'),
    reply.text('done'),
  ]);
  const one = await world.belayer.start('clerk', { input: 'go' });
  const first = await open(one);
  const two = await world.belayer.start('clerk', { input: 'go' });
  const second = await open(two);
  expect(first.position).toBe(second.position);
  await expect(
    two.approve(second.position, { argumentsHash: first.argumentsHash }),
  ).rejects.toMatchObject(rejected('other arguments'));
  await Promise.all([one.deny(first.position), two.deny(second.position)]);
  await Promise.all([one.output(), two.output()]);
});

test('the model asks, a human answers, and the answer is its result', async () => {
  world.provider.script([
    reply.tools({ ask_human: { question: 'Which colour?', options: ['red', 'blue'] } }),
    reply.text('done'),
  ]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  const request = await open(run);
  expect(request).toMatchObject({ kind: 'question', position: '1.1/question', call: '1.1' });
  expect(request.arguments).toContain('Which colour?');
  await expect(run.approve(request.position)).rejects.toMatchObject(rejected('answer it'));
  const long = `blue ${'!'.repeat(5_000)}`;
  expect(await run.answer(request.position, long, { by: 'ann' })).toMatchObject({
    verdict: 'answered',
  });
  await run.output();
  const { messages } = JSON.parse(prompt()) as { messages: { role: string; content: string }[] };
  expect(messages.at(-1)).toMatchObject({ role: 'tool', content: long });
  // By hand and by signal, with a short text.
  world.provider.script([reply.tools({ ask_human: { question: 'Sure?' } }), reply.text('done')]);
  const other = await world.belayer.start('clerk', { input: 'go' });
  const { position, argumentsHash } = await open(other);
  await world.temporal.workflow.getHandle(other.id).signal('answer', {
    request: position,
    argumentsHash,
    by: 'raw',
    answer: { hash: sha256('yes'), text: 'yes' },
  });
  await other.output();
  expect(prompt()).toContain('"content":"yes"');
});

test('a question that is declined is told to the model', async () => {
  world.provider.script([reply.tools({ ask_human: { question: 'Well?' } }), reply.text('done')]);
  const run = await world.belayer.start('clerk', { input: 'go' });
  await run.deny((await open(run)).position, { reason: 'not my business' });
  await run.output();
  expect(prompt()).toContain('not my business');
});

test('an output that never fits goes to a human, who may say how to go on', async () => {
  world.provider.script([
    reply.text('x'),
    reply.text('y'),
    reply.text('z'),
    reply.text('{"answer":7}'),
  ]);
  const run = await world.belayer.start('stubborn', { input: 'go' });
  const request = await open(run);
  expect(request).toMatchObject({ kind: 'escalation', about: 'output', tool: '' });
  await run.approve(request.position, { by: 'ann', reason: 'Only a number, please.' });
  expect(await run.output()).toEqual({ answer: 7 });
  expect(prompt()).toContain('Only a number, please.');
});

test('a refusal and a rejected model go to a human; given up, the run ends as it would have', async () => {
  world.provider.script([{ refusal: 'No.' }]);
  const refused = await world.belayer.start('stubborn', { input: 'go' });
  await refused.deny((await open(refused)).position);
  expect(await refused.outcome()).toMatchObject({ kind: 'stopped', because: 'model-refused' });
  world.provider.script([{ status: 400 }, reply.text('{"answer":1}')]);
  const rejectedRun = await world.belayer.start('stubborn', { input: 'go' });
  const request = await open(rejectedRun);
  expect(request).toMatchObject({ about: 'model' });
  await rejectedRun.approve(request.position);
  expect(await rejectedRun.output()).toEqual({ answer: 1 });
  // With words for the model it is another call than the one that was rejected.
  world.provider.script([{ status: 400 }, { status: 400 }, reply.text('{"answer":2}')]);
  const guidedRun = await world.belayer.start('stubborn', { input: 'go' });
  const first = await open(guidedRun);
  await guidedRun.approve(first?.position ?? '', { reason: 'Be brief.' });
  const second = await eventually(async () =>
    (await guidedRun.requests()).find(
      ({ state, position }) => state === 'open' && position !== first?.position,
    ),
  );
  await guidedRun.approve(second?.position ?? '', { reason: 'Be briefer.' });
  expect(await guidedRun.output()).toEqual({ answer: 2 });
  expect(prompt()).toContain('Be brief.');
  expect(prompt()).toContain('Be briefer.');
});

test('only who may answer for the limits raises them, on record where that is asked for', async () => {
  world.provider.script([reply.tools({ ask_human: '{' }), reply.text('done')]);
  const run = await world.belayer.start('guarded', { input: 'go' });
  await open(run);
  await expect(run.extendBudget({ steps: 2 }, { by: 'bob' })).rejects.toMatchObject(
    rejected('may not decide'),
  );
  const handle = world.temporal.workflow.getHandle(run.id);
  const raw = { by: 'ann', steps: 2 };
  for (const given of [raw, { ...raw, decision: 'made-up' }])
    await expect(handle.executeUpdate('extendBudget', { args: [given] })).rejects.toMatchObject({
      cause: expect.objectContaining({ message: expect.stringContaining('on record') }),
    });
  expect(await run.extendBudget({ steps: 2 }, { by: 'ann' })).toMatchObject({ steps: 3 });
  expect(await run.output()).toBe('done');
});

test('the inbox lists 100,000 open requests page by page, filtered, without being slow', async () => {
  await world.database.query({
    text: `insert into belayer.run (id, agent, customer, definition, input_hash)
      select 'bulk-' || n, 'bulk', 'c' || (n % 100), (select hash from belayer.definition limit 1), 'x' from generate_series(1, 100000) n`,
  });
  await world.database.query({
    text: `insert into belayer.request (run_no, position, kind, tool, arguments, arguments_hash, deadline, call, deciders)
      select no, '1.1/approval', 'approval', 'pay', '{}', 'h', clock_timestamp() + interval '1 day', '1.1',
        case when no % 2 = 0 then array['ann'] end
      from belayer.run where agent = 'bulk'`,
  });
  await world.database.query({ text: 'analyze belayer.request' });
  await world.database.query({ text: 'analyze belayer.run' });
  const timed = async (ask: () => Promise<readonly unknown[]>) => {
    const began = performance.now();
    const rows = await ask();
    return { rows, ms: performance.now() - began };
  };
  const page = await timed(() => world.belayer.inbox({ limit: 100 }));
  expect(page.rows).toHaveLength(100);
  const ofCustomer = await timed(() => world.belayer.inbox({ customer: 'c7', limit: 100 }));
  expect(ofCustomer.rows).toHaveLength(100);
  const mine = await timed(() =>
    world.belayer.inbox({ decider: 'bob', kind: 'approval', limit: 100 }),
  );
  expect(mine.rows).toHaveLength(100);
  const seen = new Set<string>();
  let after: { openedAt: Date; run: string; position: string } | undefined;
  for (;;) {
    const rows = await world.belayer.inbox({
      agent: 'bulk',
      limit: 10_000,
      ...(after === undefined ? {} : { after }),
    });
    for (const row of rows) seen.add(row.run);
    after = rows.at(-1);
    if (rows.length === 0) break;
  }
  expect(seen.size).toBe(100_000);
  // A page is promised within 100 ms; five times that is a fault.
  for (const { ms } of [page, ofCustomer, mine]) expect(ms).toBeLessThan(500);
  await world.database.query({ text: `delete from belayer.run where agent = 'bulk'` });
});
