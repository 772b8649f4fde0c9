/** Attempts of a tool: how they are spaced, bounded and spared, and what stands in when they are used up. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import type { Run } from '../../client/index.ts';
import { limits } from '../../contracts/limits.ts';
import {
  defineAgent,
  defineApp,
  defineTool,
  NotDone,
  ToolError,
  type ToolContext,
} from '../../definitions/index.ts';
import { readJournal } from '../../storage/reading-runs.ts';
import { reply } from '../../testing/provider/index.ts';
import { eventsOf } from '../support/cashier-runs.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
/** What the tools do, set by each test; `times` are the attempts of that tool, by their beginning. */
let act: (tool: string, ctx: ToolContext) => unknown;
const times = new Map<string, number[]>();

const input = z.object({ id: z.string() });
const acting =
  (tool: string) =>
  (_: unknown, ctx: ToolContext): unknown => {
    times.set(tool, [...(times.get(tool) ?? []), Date.now()]);
    return act(tool, ctx);
  };
const reading = { description: 'Reads.', effect: 'read', input } as const;
const paying = { description: 'Pays.', effect: 'write', repeat: 'never', input } as const;
const slow = { attempts: 2, firstDelay: '3 seconds', jitter: 1 } as const;
const quick = { attempts: 2, firstDelay: '10ms' } as const;

const near = defineTool({
  ...reading,
  name: 'near',
  timeout: '1 second',
  retry: { ...slow, not: ['gone'] },
  run: acting('near'),
});
const queued = defineTool({
  ...reading,
  name: 'queued',
  placement: 'queue',
  retry: slow,
  run: acting('queued'),
});
const bounded = defineTool({
  ...reading,
  name: 'bounded',
  placement: 'queue',
  timeout: '2 seconds',
  retry: { attempts: 10, firstDelay: '200ms', factor: 1, jitter: 0, within: '1500ms' },
  run: acting('bounded'),
});
const boundedNear = defineTool({
  ...reading,
  name: 'bounded_near',
  timeout: '1 second',
  retry: { attempts: 20, firstDelay: '200ms', factor: 1, jitter: 0, within: '1 second' },
  run: acting('bounded_near'),
});
const beating = defineTool({
  ...reading,
  name: 'beating',
  placement: 'queue',
  timeout: '1 minute',
  heartbeat: '300ms',
  retry: { attempts: 1 },
  run: acting('beating'),
});
const ill = defineTool({
  ...reading,
  name: 'ill',
  placement: 'queue',
  retry: { attempts: 4, firstDelay: '20ms', factor: 1 },
  run: acting('ill'),
});
const mail = defineTool({
  ...paying,
  name: 'mail',
  input: z.object({ to: z.string() }),
  run: acting('mail'),
});
const letter = defineTool({ ...paying, name: 'letter', retry: quick, run: acting('letter') });
const pay = defineTool({
  ...paying,
  name: 'pay',
  retry: quick,
  fallback: [{ tool: letter }, { tool: mail, input: ({ id }) => ({ to: `${id}@example.org` }) }],
  run: acting('pay'),
});
const keyed = defineTool({
  ...paying,
  name: 'keyed',
  repeat: 'keyed',
  output: z.string(),
  retry: quick,
  fallback: [{ tool: letter }],
  run: (given, ctx) => acting('keyed')(given, ctx) as string,
});
const approved = defineTool({
  ...paying,
  name: 'approved',
  approval: 'always',
  run: ({ id }) => `paid ${id.length}`,
});
const critical = defineTool({
  ...reading,
  name: 'critical',
  placement: 'queue',
  critical: true,
  retry: quick,
  run: acting('critical'),
});

beforeAll(async () => {
  world = await createWorld();
  await world.work(
    defineApp({
      agents: [
        defineAgent({
          name: 'clerk',
          instructions: 'Work.',
          tools: [near, queued, bounded, boundedNear, beating, ill, pay, keyed, approved, critical],
        }),
      ],
    }),
  );
});
beforeEach(() => {
  times.clear();
  act = () => 'fine';
});
afterAll(() => world?.stop());

const calls = async (tool: string, id = 'A'): Promise<Run<string>> => {
  world.provider.script([reply.tools({ [tool]: { id } }), reply.text('ok')]);
  return (await world.belayer.start('clerk', { input: 'go' })) as Run<string>;
};
const told = (): unknown => {
  const { messages } = JSON.parse(world.provider.requests.at(-1)?.body ?? '') as {
    messages: { content: string }[];
  };
  const text = messages.at(-1)?.content ?? '';
  return text.startsWith('{') ? (JSON.parse(text) as unknown) : text;
};
const throwing = (error: () => Error) => () => {
  throw error();
};

test.each(['near', 'queued'])(
  'the delays between attempts of a %s tool are random, so that callers come back apart',
  async (tool) => {
    const byRun = new Map<string, number[]>();
    act = (_, ctx) => {
      byRun.set(ctx.run, [...(byRun.get(ctx.run) ?? []), Date.now()]);
      throw new ToolError('busy', { retryable: true });
    };
    world.provider.script((request) =>
      request.messages.some((message) => message.role === 'tool')
        ? reply.text('ok')
        : reply.tools({ [tool]: { id: 'A' } }),
    );
    const runs = await Promise.all(
      Array.from({ length: 10 }, () => world.belayer.start('clerk', { input: 'go' })),
    );
    for (const run of runs) expect(await run.output()).toBe('ok');
    const gaps = [...byRun.values()].map(([first = 0, second = 0]) => second - first);
    expect(gaps).toHaveLength(10);
    // Without jitter no gap would be shorter. Temporal's timers are up to a second late.
    expect(Math.min(...gaps)).toBeLessThan(3_000);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(300);
  },
);

test('a code that the tool says is not tried again ends its attempts, whatever the error says', async () => {
  act = throwing(() => new ToolError('gone', { retryable: true }));
  expect(await (await calls('near')).output()).toBe('ok');
  expect(times.get('near')).toHaveLength(1);
  expect(told()).toMatchObject({ error: { code: 'gone', retryable: false, attempts: 1 } });
});

test.each(['bounded', 'bounded_near'])(
  'no attempt of a %s tool begins after the time of all, however many are left',
  async (tool) => {
    act = throwing(() => new Error('busy'));
    expect(await (await calls(tool)).output()).toBe('ok');
    const made = times.get(tool) ?? [];
    expect(made.length).toBeGreaterThan(1);
    expect(made.length).toBeLessThan(9);
    expect((made.at(-1) ?? 0) - (made[0] ?? 0)).toBeLessThanOrEqual(1_500);
    // Temporal's timers are up to a second late: an attempt that comes too late is not begun.
    const { error } = told() as { error: { code: string; attempts: number } };
    expect(error).toMatchObject(
      error.attempts === made.length ? { code: 'failed' } : { code: 'timeout' },
    );
  },
);

test('the last attempt within the time of all has what is left of it', async () => {
  act = (_, ctx) =>
    new Promise((_resolve, reject) => {
      ctx.signal.addEventListener('abort', () => reject(new Error('aborted')));
    });
  const run = await calls('bounded');
  expect(await run.output()).toBe('ok');
  expect(times.get('bounded')).toHaveLength(1);
  const { error } = told() as { error: { code: string; message: string } };
  expect(error.code).toBe('timeout');
  expect(Number(/within (\d+) ms/.exec(error.message)?.[1])).toBeLessThanOrEqual(1_500);
});

test('a tool that promises signs of life is given up when it gives none, and only then', async () => {
  act = async (_, ctx) => {
    for (let beat = 0; beat < 6; beat += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      ctx.heartbeat();
    }
    return 'long';
  };
  expect(await (await calls('beating')).output()).toBe('ok');
  expect(told()).toBe('long');
  act = () => new Promise(() => undefined);
  expect(await (await calls('beating')).output()).toBe('ok');
  expect(told()).toMatchObject({
    error: {
      code: 'timeout',
      message: 'The tool gave no sign of life for 300 ms: it promises one at least that often.',
    },
  });
});

test('a service that fails call after call is left alone, no call fails by it, and it is tried again', async () => {
  act = throwing(() => new Error('down'));
  // Two calls with four attempts each open the circuit.
  for (let run = 0; run < 2; run += 1) expect(await (await calls('ill')).output()).toBe('ok');
  expect(times.get('ill')).toHaveLength(limits.breakerFailuresMax);
  const openedAt = Date.now();
  act = () => 'well again';
  const run = await calls('ill');
  expect(await run.output()).toBe('ok');
  expect(told()).toBe('well again');
  const journal = (await readJournal(world.database, run.id)).filter((row) => row.kind === 'tool');
  expect(journal[0]).toMatchObject({ outcome: 'failed', code: 'unavailable' });
  expect(journal.at(-1)).toMatchObject({ outcome: 'ok' });
  expect(Date.now() - openedAt).toBeLessThan(5 * limits.breakerOpenMs);
  // Another tool's circuit was closed all the time.
  expect(await (await calls('near')).output()).toBe('ok');
  expect(times.get('near')).toHaveLength(1);
});

test('a write that certainly did not happen is done by its fallbacks in their order, and the model is told', async () => {
  act = (tool) => {
    if (tool !== 'mail') throw new NotDone('closed', { retryable: true });
    return 'sent';
  };
  const run = await calls('pay');
  expect(await run.output()).toBe('ok');
  expect(told()).toBe('[pay failed (closed); mail ran instead]\nsent');
  expect([...times].map(([tool, at]) => [tool, at.length])).toEqual([
    ['pay', 2],
    ['letter', 2],
    ['mail', 1],
  ]);
  const events = await eventsOf(run);
  expect(events.filter((event) => event.kind === 'tool.fellback')).toMatchObject([
    { position: '1.1/fallback-1', tool: 'pay', to: 'letter' },
    { position: '1.1/fallback-2', tool: 'pay', to: 'mail' },
  ]);
  expect(events.flatMap((event) => (event.kind === 'tool.failed' ? [event.next] : []))).toEqual([
    'retry',
    'fallback',
    'retry',
    'fallback',
  ]);
  // A tool that only serves as a fallback is in no prompt.
  expect(world.provider.requests.at(-1)?.body).not.toContain('"name":"letter"');
});

test('a write whose outcome is unknown is not done by another tool: a human is asked', async () => {
  act = throwing(() => new Error('connection lost'));
  const run = await calls('pay');
  const request = await eventually(async () =>
    (await run.requests()).find((open) => open.state === 'open'),
  );
  expect(request).toMatchObject({ kind: 'unknown', position: '1.1/unknown', tool: 'pay' });
  expect([...times.keys()]).toEqual(['pay']);
  await run.deny(request.position);
  expect(await run.output()).toBe('ok');
});

test('arguments that are too long for history reach the fallback all the same', async () => {
  const id = 'x'.repeat(limits.argumentsInlineBytesMax);
  act = (tool) => {
    if (tool !== 'mail') throw new NotDone('closed', { retryable: true });
    return 'sent';
  };
  expect(await (await calls('pay', id)).output()).toBe('ok');
  expect(told()).toContain('mail ran instead');
});

test('the failure of a critical tool is put before a human, and the model is not told of it before', async () => {
  act = throwing(() => new Error('down'));
  const run = await calls('critical');
  const request = await eventually(async () =>
    (await run.requests()).find((open) => open.state === 'open'),
  );
  expect(request).toMatchObject({ kind: 'escalation', tool: 'critical' });
  expect(times.get('critical')).toHaveLength(2);
  act = () => 'up again';
  await run.approve(request.position);
  expect(await run.output()).toBe('ok');
  expect(told()).toBe('up again');
});

test('what a tool’s author calls final is told to the model, critical or not', async () => {
  act = throwing(() => new ToolError('order_not_found'));
  expect(await (await calls('critical')).output()).toBe('ok');
  expect(told()).toMatchObject({ error: { code: 'order_not_found', attempts: 1 } });
});

const asked = (run: Run) =>
  eventually(async () => (await run.requests()).find((request) => request.state === 'open'));

test('a write that an earlier attempt may have done is not done by another tool, though the last says it is not done', async () => {
  act = (_, ctx) => {
    if (ctx.attempt === 1) throw new Error('connection lost');
    throw new NotDone('closed', { retryable: true });
  };
  const run = await calls('keyed');
  const request = await asked(run);
  expect(request).toMatchObject({ kind: 'unknown', tool: 'keyed' });
  expect([...times].map(([tool, at]) => [tool, at.length])).toEqual([['keyed', 2]]);
  await run.deny(request.position);
  expect(await run.output()).toBe('ok');
});

test('a write that happened with an answer that cannot be used goes to a human, not to another tool', async () => {
  act = () => 7;
  const run = await calls('keyed');
  const request = await asked(run);
  expect(request).toMatchObject({ kind: 'unknown', tool: 'keyed' });
  expect(JSON.stringify(request)).toContain('It happened, but its answer cannot be used');
  expect([...times.keys()]).toEqual(['keyed']);
  await run.deny(request.position);
  expect(await run.output()).toBe('ok');
});

test.each([3, limits.argumentsInlineBytesMax])(
  'the model is told which arguments ran where a human changed them: %d characters',
  async (length) => {
    const run = await calls('approved');
    const request = await asked(run);
    await run.approve(request.position, { edit: { id: 'B'.repeat(length) } });
    expect(await run.output()).toBe('ok');
    expect(told()).toMatch(/^\[a human changed the arguments to {"id":"BBB/);
    expect(told()).toMatch(new RegExp(`\\npaid ${length}$`));
  },
);
