import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { RunDiff } from '../../client/index.ts';
import { runProgram } from '../../client/commands/program.ts';
import { exportRecording } from '../../client/recordings/export-recording.ts';
import { importRecording } from '../../client/recordings/import-recording.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { aTerminal } from '../support/a-terminal.ts';
import { eventually } from '../support/eventually.ts';
import { partsOf } from '../support/parts-of.ts';
import { createWorld, type World } from '../support/world.ts';

let stateOfA1 = 'shipped';
const order = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  run: ({ id }) => ({ id, state: id === 'A-1' ? stateOfA1 : 'packed', carrier: 'DHL' }),
});
const refund = defineTool({
  name: 'refund',
  description: 'Refund an order.',
  effect: 'write',
  repeat: 'keyed',
  keyValid: '24 hours',
  approval: 'always',
  input: z.object({ id: z.string(), amountUsd: z.number() }),
  run: ({ amountUsd }) => ({ refunded: amountUsd }),
});
const carrier = defineTool({
  name: 'carrier',
  description: 'Ask the carrier.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  retry: { attempts: 1 },
  fallback: [{ tool: order }],
  run: () => {
    throw new Error('The carrier does not answer.');
  },
});
const tracker = defineAgent({ name: 'tracker', instructions: 'Track.', tools: [carrier, order] });
const researcher = defineAgent({ name: 'researcher', instructions: 'Research.', tools: [order] });
const support = defineAgent({
  name: 'support',
  instructions: 'Answer about orders.',
  tools: [order, refund, researcher.asTool()],
});
const terse = defineAgent({
  name: 'terse',
  instructions: 'Answer in one word.',
  tools: [order, refund, researcher.asTool()],
});

let world: World;
let folder: string;
beforeAll(async () => {
  world = await createWorld();
  folder = mkdtempSync(join(tmpdir(), 'belayer-diff-'));
  await world.work(defineApp({ agents: [support, researcher, terse, tracker] }));
});
afterAll(async () => {
  await world?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function command(...words: string[]) {
  const { temporal, databaseUrl } = world.servers.addresses;
  const terminal = aTerminal({
    folder,
    environment: {
      PATH: process.env['PATH'] ?? '',
      TEMPORAL_ADDRESS: temporal.address,
      DATABASE_URL: databaseUrl,
    },
  });
  const code = await runProgram(words, terminal);
  return { code, out: terminal.output(), errors: terminal.errors() };
}
const differ = (...words: string[]) => command('diff', ...words);
const dataOf = async (...words: string[]): Promise<RunDiff> =>
  JSON.parse((await differ(...words, '--json')).out) as RunDiff;

type Script = Parameters<World['provider']['script']>[0];

/** A run that has ended, with an approval by `approve` where its script asks for one. */
async function ended(
  script: Script,
  given: {
    readonly agent?: string;
    readonly input?: string;
    readonly approve?: { readonly edit?: object; readonly reason?: string };
  } = {},
): Promise<string> {
  world.provider.script(script);
  const { agent = 'support', input = 'Where is A-1?', approve } = given;
  const run = await world.belayer.start(agent, { input });
  if (approve !== undefined) {
    const open = await eventually(async () =>
      (await world.belayer.inbox()).find((request) => request.run === run.id),
    );
    await run.approve(open.position, approve);
  }
  await run.output();
  return run.id;
}

async function exported(run: string, name: string): Promise<string> {
  let text = '';
  await exportRecording(partsOf(world), run, {}, (line) => void (text += line));
  writeFileSync(join(folder, name), text);
  return name;
}

const lookUp = [
  reply.tools({ order: { id: 'A-1' } }),
  reply.tools({ order: { id: 'A-2' } }),
  reply.text('They are on their way.'),
];

test('two runs of one script are the same, though a provider names its calls by chance', async () => {
  const a = await ended(lookUp);
  const b = await ended([
    { toolCalls: [{ name: 'order', arguments: '{ "id": "A-1" }', id: 'drawn-by-chance' }] },
    { toolCalls: [{ name: 'order', arguments: '{"id":"A-2"}', id: 'and-again' }] },
    reply.text('They are on their way.'),
  ]);
  const { code, out } = await differ(a, b);
  expect(code).toBe(0);
  expect(out).toContain('All 5 calls are the same, and what they came to.');
  expect(out).toContain('spelling of prompts');
  const diff = await world.belayer.diff(a, b);
  expect(diff).toMatchObject({ same: true, sameCalls: 5, end: [] });
  expect(diff.calls.map(({ position, a: call }) => `${call?.kind} ${position}`)).toEqual(['words 1', 'model 1', 'tool 1.1', 'model 2', 'tool 2.1', 'model 3']); // prettier-ignore
});

test('runs that part at a tool result are shown from there, with the place in the result', async () => {
  const a = await ended(lookUp);
  stateOfA1 = 'lost';
  const b = await ended([
    reply.tools({ order: { id: 'A-1' } }),
    reply.text('It was lost. We are sorry.'),
  ]);
  stateOfA1 = 'shipped';
  const { code, out } = await differ(a, b);
  expect(code).toBe(1);
  expect(out).toContain('The first call is the same.\nThey part at 1.1.');
  expect(out).toContain('1.1  tool order: result.state');
  expect(out).toMatch(/2 {2}model call: prompt messages\[3\]\.content \(what 1\.1 gave\)/);
  expect(out).toContain('2.1  tool order: only A');
  expect(out).not.toContain('the input');
  const diff = await dataOf(a, b);
  expect(diff).toMatchObject({ same: false, sameCalls: 1, partsAt: '1.1', decisionsPartAt: '1.1' });
  expect(diff.calls[0]?.differences).toEqual([
    { field: 'result', path: 'state', a: 'shipped', b: 'lost' },
  ]);
  expect(diff.end).toEqual([
    { field: 'output', path: '', a: 'They are on their way.', b: 'It was lost. We are sorry.' },
  ]);

  const whole = await differ(a, b, '--all');
  expect(whole.out).toContain('1  the input: the same');
  const first = await differ(a, b, '--step', '1');
  expect(first.code).toBe(1);
  expect(first.out).toContain('1  model call: the same');
  expect(first.out).not.toContain('2.1');
  expect((await differ(a, b, '--position', '1')).code).toBe(0);
  expect(await differ(a, b, '--step', '9')).toMatchObject({
    code: 2,
    errors: 'Nothing is on record at `9` of either run.\n',
  });
});

test('runs that part at a reply say which call the model asked for in its place', async () => {
  const a = await ended(lookUp);
  const b = await ended([
    reply.tools({ order: { id: 'A-1' } }),
    reply.tools({ order: { id: 'A-3' } }),
    reply.text('They are on their way.'),
  ]);
  const diff = await dataOf(a, b);
  expect(diff).toMatchObject({ sameCalls: 2, partsAt: '2', decisionsPartAt: '2', end: [] });
  expect(
    diff.calls.map(({ position, differences }) => [
      position,
      differences.map(({ field, path }) => `${field} ${path}`),
    ]),
  ).toEqual([
    // prettier-ignore
    ['2', ['reply calls[0].arguments.id']],
    ['2.1', ['arguments id', 'result id']],
    ['3', ['prompt messages[4].tool_calls[0].function.arguments.id']],
  ]);
});

test('another definition is told by its instructions, and that no decision changed', async () => {
  const a = await ended(lookUp);
  const b = await ended(lookUp, { agent: 'terse' });
  const { code, out } = await differ(a, b);
  expect(code).toBe(1);
  expect(out).toContain('These are runs of two agents: support and terse.');
  expect(out).toContain('1  model call: prompt instructions messages[0].content');
  expect(out).toContain('Answer in one word.');
  expect(out).toContain('prompt as at 1');
  expect(out).toContain('Only prompts and models differ');
  expect(await dataOf(a, b)).not.toHaveProperty('decisionsPartAt');
});

test('what people decide is compared: verdict, reason, and arguments that they changed', async () => {
  const script = [reply.tools({ refund: { id: 'A-1', amountUsd: 80 } }), reply.text('Refunded.')];
  const a = await ended(script, { approve: {} });
  const b = await ended(script, {
    approve: { edit: { id: 'A-1', amountUsd: 40 }, reason: 'half' },
  });
  const diff = await dataOf(a, b);
  expect(diff).toMatchObject({ partsAt: '1.1/approval', sameCalls: 1 });
  const [approval, effect] = diff.calls;
  expect(approval?.differences).toEqual([
    { field: 'reason', path: '', b: 'half' },
    { field: 'edited', path: '', b: { id: 'A-1', amountUsd: 40 } },
  ]);
  expect(effect?.differences.slice(0, 1)).toEqual([
    { field: 'arguments', path: 'amountUsd', a: 80, b: 40 },
  ]);
  const { out } = await differ(a, b);
  expect(out).toContain('1.1/approval  approval of refund: reason, edited');
});

test('a file, an import and the run itself are the same run; two files need no server', async () => {
  const a = await ended(lookUp);
  const b = await ended([reply.tools({ order: { id: 'A-1' } }), reply.text('On its way.')]);
  const [fileA, fileB] = [await exported(a, 'a.json'), await exported(b, 'b.json')];
  expect(await differ(a, fileA)).toMatchObject({ code: 0 });
  expect((await differ(fileA, b)).out).toContain('support, done, from a file');
  const strip = (diff: RunDiff) => ({ ...diff, a: undefined, b: undefined });
  expect(strip(await dataOf(fileA, b))).toEqual(strip(await dataOf(a, b)));
  expect(strip(await dataOf(fileA, fileB))).toEqual(strip(await dataOf(a, b)));
  const alone = aTerminal({ folder });
  expect(await runProgram(['diff', fileA, fileB], alone)).toBe(1);
  expect(alone.output()).toContain('They part at 2.');

  const there = await createWorld();
  try {
    let text = '';
    await exportRecording(partsOf(world), a, {}, (line) => void (text += line));
    await importRecording(partsOf(there), Readable.from([Buffer.from(text)]));
    const diff = await there.belayer.diff(a, { recording: text });
    expect(diff).toMatchObject({ same: true, a: { from: 'imported run' }, b: { from: 'file' } });
  } finally {
    await there.stop();
  }
});

test('what was redacted in a file is compared as it stands there, and counted', async () => {
  const a = await ended([reply.text('The key is sk-live-Zq81mnPpL0w4TzRr77Hx.')]);
  const file = await exported(a, 'redacted.json');
  const { code, out } = await differ(a, file);
  expect(code).toBe(1);
  expect(out).toMatch(/In B [1-9][0-9]* values? w(as|ere) redacted/);
  expect(out).toContain('1  model call: reply.text');
  expect((await differ(file, file)).code).toBe(0);
});

test('a tool that ran in place of another is compared by what it ran with, as far as that was kept', async () => {
  const script = (id: string) => [reply.tools({ carrier: { id } }), reply.text('Found.')];
  const a = await ended(script('A-1'), { agent: 'tracker' });
  const b = await ended(script('A-1'), { agent: 'tracker' });
  const c = await ended(script('A-2'), { agent: 'tracker' });
  expect((await differ(a, b)).code).toBe(0);
  const { calls } = await dataOf(a, c);
  const fallback = calls.find(({ position }) => position === '1.1/fallback-1');
  expect(fallback).toMatchObject({ a: { tool: 'order', arguments: { id: 'A-1' }, result: expect.anything() } }); // prettier-ignore
  expect(fallback?.differences.map(({ field }) => field)).toContain('arguments');
});

test('a sub-agent’s run is compared like any other, from a file as well', async () => {
  const script = (state: string): Script => [
    reply.tools({ researcher: { input: 'refunds' } }),
    reply.tools({ order: { id: 'A-1' } }),
    reply.text(`It is ${state}.`),
    reply.text('Done.'),
  ];
  const a = await ended(script('here'));
  const b = await ended(script('there'));
  const diff = await dataOf(a, b);
  expect(diff).toMatchObject({ partsAt: '1.1', calls: [{ a: { kind: 'child', tool: 'researcher' } }, {}] }); // prettier-ignore
  const inner = await differ(`${a}/1.1`, `${b}/1.1`);
  expect(inner.out).toContain(`a sub-agent’s run of ${a}`);
  expect(inner.out).toContain('They part at 2.');
  const file = await exported(a, 'parent.json');
  expect((await differ(`${file}#${a}/1.1`, `${a}/1.1`)).code).toBe(0);
});

test('a run that goes on is compared as far as it is', async () => {
  const script = [reply.tools({ refund: { id: 'A-1', amountUsd: 80 } }), reply.text('Refunded.')];
  const a = await ended(script, { approve: {} });
  world.provider.script(script);
  const open = await world.belayer.start('support', { input: 'Where is A-1?' });
  const request = await eventually(async () =>
    (await world.belayer.inbox()).find(({ run }) => run === open.id),
  );
  const { code, out } = await differ(a, open.id);
  expect(code).toBe(1);
  expect(out).toContain('B has not ended');
  expect(out).toContain('1.1/approval  approval of refund: verdict');
  await open.approve(request.position);
  await open.output();
  expect((await differ(a, open.id)).code).toBe(0);
});

test('what is no run and what is no recording are told apart from a difference', async () => {
  const a = await ended([reply.text('Hello.')]);
  expect(await differ(a, 'support-nobody')).toMatchObject({ code: 2, out: '' });
  const file = await exported(a, 'changed.json');
  writeFileSync(join(folder, 'none.txt'), 'not a recording');
  expect(await differ(a, 'none.txt')).toMatchObject({ code: 2, out: '' });
  const lacking = await differ(`${file}#support-nobody`, a);
  expect(lacking).toMatchObject({ code: 2, out: '' });
  expect(lacking.errors).toContain(`There is no run \`support-nobody\` in ${join(folder, file)}.`);
  expect((await differ(a, 'none.jsonl')).errors).toContain('neither a run `none.jsonl` in this database nor a file'); // prettier-ignore
  expect((await differ(a, 'none.txt')).errors).toContain(`${join(folder, 'none.txt')}: It is no recording`); // prettier-ignore
  expect((await differ(a, a, '--step', '1', '--position', '1')).code).toBe(2);
  expect((await differ(a)).code).toBe(2);
  await expect(world.belayer.diff(a, 7 as never)).rejects.toMatchObject({ name: 'InputRejected' });
});
