import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { exportRecording } from '../../client/recordings/export-recording.ts';
import { importRecording } from '../../client/recordings/import-recording.ts';
import { readHistories } from '../../client/recordings/read-histories.ts';
import { promptBytes } from '../../client/commands/prompt-bytes.ts';
import { runProgram } from '../../client/commands/program.ts';
import type { RecordingPart } from '../../contracts/recording.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { readJournal, readPrompt } from '../../storage/reading-runs.ts';
import { readRecording } from '../../storage/recordings/read-recording.ts';
import { openRequests } from '../../storage/requests.ts';
import { newestDefinition } from '../../storage/definitions.ts';
import { takeUnstarted } from '../../storage/runs.ts';
import { reply } from '../../testing/provider/index.ts';
import { aTerminal } from '../support/a-terminal.ts';
import { eventually } from '../support/eventually.ts';
import { seeded } from '../support/seeded.ts';
import { partsOf } from '../support/parts-of.ts';
import { createWorld, type World } from '../support/world.ts';

const apiKey = 'sk-live-Zq81mnPpL0w4TzRr77Hx';
const password = 'p@ssw0rd"\\quoted';
const envSecret = 'env-secret-9f3b5c1d7e';
process.env['TEST_VENDOR_KEY'] = envSecret;

const order = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  run: ({ id }, context) => ({ id, state: 'shipped', keyChars: context.secret('TEST_VENDOR_KEY').length, email: 'ann@example.com' }),
}); // prettier-ignore
const credentials = defineTool({
  name: 'credentials',
  description: 'Gives credentials.',
  effect: 'read',
  input: z.object({ apiKey: z.string() }),
  run: () => ({ password, database: 'postgres://app:hunter2-hunter2@db.example.com/x' }),
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
const researcher = defineAgent({
  name: 'researcher',
  instructions: 'Research.',
  input: z.object({ topic: z.string() }),
  tools: [order],
});
const support = defineAgent({
  name: 'support',
  instructions: 'Answer about orders.',
  tools: [order, refund, credentials, researcher.asTool()],
});
const talker = defineAgent({
  name: 'talker',
  instructions: 'Talk.',
  tools: [order],
  session: { idle: '1 day' },
});

let here: World;
let there: World;
let folder: string;
beforeAll(async () => {
  // Small histories, so that a conversation crosses several of them.
  here = await createWorld({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 40 } });
  there = await createWorld();
  folder = mkdtempSync(join(tmpdir(), 'belayer-recordings-'));
  await here.work(defineApp({ agents: [support, researcher, talker] }));
});
afterAll(async () => {
  await here?.stop();
  await there?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function record(
  world: World,
  run: string,
  redaction: Parameters<typeof exportRecording>[2] = {},
) {
  let text = '';
  const report = await exportRecording(partsOf(world), run, redaction, (line) => {
    text += line;
  });
  return { text, bytes: Buffer.from(text), report };
}
const put = (world: World, bytes: Uint8Array) =>
  importRecording(partsOf(world), Readable.from([bytes]));
const ask = async (world: World, ...words: string[]) => {
  const { temporal, databaseUrl } = world.servers.addresses;
  const terminal = aTerminal({
    folder,
    environment: {
      PATH: process.env['PATH'] ?? '',
      TEMPORAL_ADDRESS: temporal.address,
      DATABASE_URL: databaseUrl,
      USER: 'ann',
    },
  });
  const code = await runProgram(words, terminal);
  return { code, out: terminal.output(), errors: terminal.errors() };
};

/** A run with tools, an approval that was edited, and a sub-agent. */
async function aFullRun(): Promise<string> {
  here.provider.script([
    reply.tools({ order: { id: 'A-1' }, researcher: { topic: 'refunds' } }),
    reply.tools({ order: { id: 'A-2' } }),
    reply.text('Refunds are fine.'),
    reply.tools({ refund: { id: 'A-1', amountUsd: 80 } }),
    reply.text('Refunded.'),
  ]);
  const run = await here.belayer.start('support', {
    input: 'Refund A-1.',
    customer: 'acme',
    key: `ticket-${(tickets += 1)}`,
  });
  await eventually(async () => (await here.belayer.inbox()).some((open) => open.run === run.id));
  const [request] = (await here.belayer.inbox()).filter((open) => open.run === run.id);
  await run.approve(request?.position ?? '', {
    edit: { id: 'A-1', amountUsd: 40 },
    reason: 'half',
  });
  expect(await run.output()).toBe('Refunded.');
  return run.id;
}
let tickets = 0;

/** Every prompt of a run that was sent, by position. */
async function promptsOf(world: World, run: string): Promise<Record<string, string>> {
  const prompts: Record<string, string> = {};
  for (const { position, promptHash } of await readJournal(world.database, run)) {
    if (promptHash === null) continue;
    const stored = await readPrompt(world.database, run, position);
    prompts[position] = promptBytes(stored!, position);
  }
  return prompts;
}

test('a recording that is imported elsewhere shows the run as it was, prompts byte for byte', async () => {
  const run = await aFullRun();
  const startedMs = performance.now();
  const { bytes, report } = await record(here, run);
  const exportedMs = performance.now();
  expect(report).toMatchObject({ runs: 2, prompts: 5 });
  expect(report.end.redactions).toEqual([]);
  expect(report.end.counts).toMatchObject({ run: 2, history: 3, request: 1, decision: 1, budget: 2, definition: 2 }); // prettier-ignore

  const imported = await put(there, bytes);
  console.log(`recording: ${bytes.length} bytes, export ${(exportedMs - startedMs).toFixed(0)} ms, import ${(performance.now() - exportedMs).toFixed(0)} ms`); // prettier-ignore
  expect(imported).toMatchObject({ run, isNew: true, executions: 3, prompts: 5 });
  expect(imported.seal).toBe(report.seal);
  for (const id of [run, ...(report.end.counts['run'] === 2 ? [`${run}/1.2`] : [])]) {
    expect(await promptsOf(there, id)).toEqual(await promptsOf(here, id));
    expect(await readJournal(there.database, id)).toEqual(await readJournal(here.database, id));
    expect((await there.belayer.run(id).then((known) => known.requests()))).toEqual(await here.belayer.run(id).then((known) => known.requests())); // prettier-ignore
  }
  const sent = here.provider.requests.map(({ body }) => body);
  for (const prompt of Object.values(await promptsOf(there, run))) expect(sent).toContain(prompt);
  const shown = await ask(there, 'show', run, '--step', '1', '--prompt');
  expect(shown.out).toBe((await ask(here, 'show', run, '--step', '1', '--prompt')).out);
  expect((await ask(there, 'show', run)).out).toContain('imported');
  expect((await ask(there, 'runs')).out).toMatch(new RegExp(`${run} +done, imported`));
  expect(await (await there.belayer.run(run)).output()).toBe('Refunded.');
  const original = await readHistories(partsOf(here), run);
  const copied = await readHistories(partsOf(there), run);
  expect(copied.map(({ source }) => source)).toEqual(['archive', 'archive']);
  expect(JSON.parse(await copied[0]!.json())).toEqual(JSON.parse(await original[0]!.json()));
  // What was imported can be exported again: the same but for the first line, which says when.
  const again = await record(there, run);
  const bodies = (text: string) => readRecording(text).lines.slice(1);
  expect(bodies(again.text)).toEqual(bodies(bytes.toString()));
  const recording = readRecording(bytes);
  expect(recording.executions).toHaveLength(2);
  expect(recording.children).toMatchObject([{ workflowId: `${run}/1.2` }]);
});

test('an imported run is left alone: nothing starts, halts or decides it, and its key is free', async () => {
  here.provider.script([reply.tools({ refund: { id: 'A-1', amountUsd: 80 } })]);
  const run = await here.belayer.start('support', {
    input: 'Refund.',
    customer: 'acme',
    key: 'k-1',
  });
  await eventually(async () => (await here.belayer.inbox()).some((open) => open.run === run.id));
  const { bytes } = await record(here, run.id);
  await put(there, bytes);
  expect((await put(there, bytes)).isNew).toBe(false);
  const imported = await there.belayer.run(run.id);
  expect(await imported.status()).toMatchObject({ key: 'k-1', endedAt: null, openRequests: 1 });
  expect((await imported.status()).importedAt).toBeInstanceOf(Date);
  expect(await openRequests(there.database, 100)).toEqual([]);
  expect(await takeUnstarted(there.database)).toEqual([]);
  expect(await newestDefinition(there.database, 'support')).toBeUndefined();
  expect((await there.database.query({ text: 'select * from belayer.silent_runs(0, 0, 100, 100, true)' }))).toMatchObject([{ suspects: [] }]); // prettier-ignore
  const readOnly = /was imported from another installation: here it can only be read/;
  await expect(imported.approve('1.1/approval')).rejects.toThrow(readOnly);
  await expect(imported.deny('1.1/approval', { argumentsHash: 'x' })).rejects.toThrow(readOnly);
  await expect(imported.pause('wait')).rejects.toThrow(readOnly);
  await expect(imported.halt('stop')).rejects.toThrow(readOnly);
  await expect(imported.halt('stop', { force: true })).rejects.toThrow(readOnly);
  await expect(imported.outcome()).rejects.toThrow(readOnly);
  const approved = await ask(there, 'approve', run.id, '1.1/approval');
  expect(approved.code).toBe(2);
  expect(approved.errors).toMatch(readOnly);
  expect(await there.database.query({ text: "select from belayer.run where key = 'k-1'" })).toEqual([]); // prettier-ignore
  expect(await there.database.query({ text: 'select from belayer.decision d join belayer.run r on r.no = d.run_no where r.id = $1' }, [run.id])).toEqual([]); // prettier-ignore
  expect(await there.database.query({ text: "select r.id from belayer.take_to_halt(null, null, 0, 1000, 100) t join belayer.run r on r.no = t.no" })).toEqual([]); // prettier-ignore
  await run.halt('done with it');
  await run.outcome();
  // The same run, recorded later, is another recording.
  const later = await record(here, run.id);
  await expect(put(there, later.bytes)).rejects.toThrow('was imported from another recording');
  await expect(put(here, later.bytes)).rejects.toThrow('ran here, or runs here');
});

test('a session over several executions is recorded whole', async () => {
  const texts = ['one', 'two', 'three', 'four'];
  for (const [index, text] of texts.entries()) {
    here.provider.script([reply.tools({ order: { id: text } }), reply.text(`Answer ${text}.`)]);
    const turn = await here.belayer.send('talker', { session: 's', message: `${text} ${'x'.repeat(3_000)}`, by: 'ann' }); // prettier-ignore
    expect(await turn.output()).toBe(`Answer ${text}.`);
    if (index === texts.length - 1) {
      const { bytes, report } = await record(here, turn.run.id);
      expect(readRecording(bytes).executions.length).toBeGreaterThan(1);
      expect(report.end.counts['said']).toBe(3);
      await put(there, bytes);
      expect(await promptsOf(there, turn.run.id)).toEqual(await promptsOf(here, turn.run.id));
    }
  }
});

test('one byte that is changed anywhere is found and named', async () => {
  const { bytes } = await record(here, await aFullRun());
  const random = seeded(20_261_122);
  const starts = [0];
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) starts.push(at + 1);
  const parts = new Set<RecordingPart>();
  const { lines } = readRecording(bytes);
  const changeAt = (offset: number): void => {
    const copy = Buffer.from(bytes);
    copy[offset] = (bytes[offset]! + 1 + Math.floor(random.next() * 255)) % 256;
    const index = starts.findLastIndex((start) => start <= offset);
    const line = lines[index]!;
    parts.add(line.part);
    let message = '';
    try {
      readRecording(copy);
    } catch (error) {
      message = (error as Error).message;
    }
    const note = `seed ${random.seed}, offset ${offset}: ${message}`;
    // The very first bytes tell what the file is.
    if (offset < 2) return expect(message, note).toContain('It is no recording');
    if (offset === bytes.length - 1) return expect(message, note).not.toBe('');
    expect(message, note).toContain(
      `Line ${index + 1} of the recording (from byte ${starts[index]})`,
    );
    const content =
      starts[index]! + 47 + JSON.stringify([line.part, line.run, line.position]).length;
    if (offset > content && offset < starts[index + 1]! - 1) {
      expect(message, note).toContain(`the ${line.part}`);
      if (line.position !== '') expect(message, note).toContain(`at \`${line.position}\``);
      if (line.run !== '') expect(message, note).toContain(`of run \`${line.run}\``);
    }
  };
  for (const [index, start] of starts.slice(0, -1).entries()) {
    // In the hash, in the names, in the body, and the line feed.
    const next = starts[index + 1]!;
    for (const offset of [start, start + 20, start + 46, start + 49, next - 2, next - 1])
      changeAt(offset);
    changeAt(start + Math.floor(random.next() * (next - start)));
  }
  for (let tries = 0; tries < 200; tries += 1) changeAt(Math.floor(random.next() * bytes.length));
  expect([...parts].toSorted()).toEqual(['attempt', 'budget', 'call', 'decision', 'definition', 'end', 'entry', 'event', 'fragment', 'history', 'recording', 'request', 'run']); // prettier-ignore
  // Cut, doubled, exchanged.
  for (const wrong of [
    bytes.subarray(0, -1),
    bytes.subarray(0, starts.at(-2)),
    Buffer.concat([bytes, Buffer.from(' ')]),
    Buffer.concat([bytes.subarray(0, starts[5]), bytes.subarray(starts[6])]),
    Buffer.concat([bytes.subarray(0, starts[5]), bytes.subarray(starts[4])]),
  ])
    expect(() => readRecording(wrong)).toThrow(/recording/);
  const before = await there.database.query({ text: 'select count(*) from belayer.run' });
  const changed = Buffer.from(bytes);
  changed[bytes.length - 60]! ^= 1;
  await expect(put(there, changed)).rejects.toThrow(/the end of run .* is not what was exported/);
  expect(await there.database.query({ text: 'select count(*) from belayer.run' })).toEqual(before);
});

test('what is redacted is nowhere in the file, and the recording says what was and what is void', async () => {
  here.provider.script([
    reply.tools({ credentials: { apiKey }, order: { id: 'A-9' } }),
    reply.text(`The password is ${password}; write to ann@example.com or call hunter2-hunter2.`),
  ]);
  const run = await here.belayer.start('support', { input: `My key is ${apiKey}, 4111-1111.` });
  await run.output();
  const options = { fields: ['email'], patterns: [/4111-\d+/] };
  const { bytes, report } = await record(here, run.id, options);
  const decoded = bytes.toString().replaceAll(/"data": ?"([\w+/=]+)"/g, (_, data: string) => Buffer.from(data, 'base64').toString()); // prettier-ignore
  const whole = await record(here, run.id, { keepSecrets: true });
  for (const secret of [apiKey, 'ann@example.com', 'hunter2-hunter2', '4111-1111', password, JSON.stringify(password).slice(1, -1), 'p@ssw0rd', envSecret]) {
    expect(bytes.includes(secret), secret).toBe(false);
    expect(decoded.includes(secret), secret).toBe(false);
  } // prettier-ignore
  expect(whole.bytes.includes(apiKey)).toBe(true);
  const rules = new Set(report.end.redactions.map(({ rule }) => rule));
  expect(rules).toEqual(new Set(['api-key', 'secret-field', 'url-password', 'field email', 'pattern 1'])); // prettier-ignore
  expect(report.end.void.prompts).toEqual([
    { run: run.id, position: '1', attempt: 1 },
    { run: run.id, position: '2', attempt: 1 },
  ]);
  expect(report.end.void.histories).toEqual([{ run: run.id, execution: 1 }]);
  expect(report.end.redactions).toContainEqual({ rule: 'url-password', run: run.id, part: 'call', position: '1.1', field: 'fragment', count: 1 }); // prettier-ignore
  const imported = await put(there, bytes);
  expect(imported.prompts).toBe(0);
  expect((await ask(there, 'show', run.id, '--step', '1', '--prompt')).errors).toContain('was redacted when the run was exported'); // prettier-ignore
  const shown = await ask(there, 'show', run.id, '--step', '1', '--json');
  expect(shown.out).toContain('[redacted: api-key]');
  expect(shown.out).not.toContain(apiKey);
});

test('a secret that a tool asked for is on record nowhere', async () => {
  const run = await aFullRun();
  const { bytes } = await record(here, run, { keepSecrets: true });
  expect(bytes.includes(envSecret)).toBe(false);
  expect(bytes.includes(Buffer.from(envSecret).toString('base64').slice(0, 20))).toBe(false);
});

test('what is stored and does not hash is not exported', async () => {
  const run = await aFullRun();
  await here.database.query({ text: `update belayer.call set fragment = replace(fragment, 'shipped', 'missing') where position = '1.1' and run_no = (select no from belayer.run where id = $1)` }, [run]); // prettier-ignore
  await expect(record(here, run)).rejects.toThrow(
    /transcript that is stored for `0.2` of run .* is not the one that was recorded/,
  );
});

test('the commands write a whole file or none, and say what they did', async () => {
  const run = await aFullRun();
  const exported = await ask(here, 'histories', 'export', run, '--out', 'run.jsonl', '--redact', '('); // prettier-ignore
  expect(exported).toMatchObject({ code: 2 });
  expect(exported.errors).toContain('Pattern 1 of --redact is no regular expression: Unterminated group.'); // prettier-ignore
  const done = await ask(here, 'histories', 'export', run, '--out', 'run.jsonl', '--redact-field', 'email'); // prettier-ignore
  expect(done.code).toBe(0);
  expect(done.errors).toContain('2 runs, 3 executions');
  expect(done.errors).toContain('redacted by field email');
  const file = readFileSync(join(folder, 'run.jsonl'));
  expect(file.includes('ann@example.com')).toBe(false);
  const imported = await ask(there, 'histories', 'import', 'run.jsonl');
  expect(imported.out).toContain(`Run ${run} is imported, read-only: 2 runs, 3 executions`);
  expect((await ask(there, 'histories', 'import', 'run.jsonl')).out).toContain('nothing changed');
  writeFileSync(join(folder, 'old.json'), '{"workflowId":"w","executions":[{"runId":"r","history":{"events":[]}}]}'); // prettier-ignore
  expect(readRecording(readFileSync(join(folder, 'old.json')))).toMatchObject({ workflowId: 'w' });
  const wrong = await ask(there, 'histories', 'import', 'old.json');
  expect(wrong.code).toBe(2);
  expect(wrong.errors).toContain(`${join(folder, 'old.json')}: `);
  expect(wrong.errors).toMatch(/is not what was exported|ends in the middle/);
  expect((await ask(there, 'histories', 'import', 'none.jsonl')).code).toBe(2);
});
