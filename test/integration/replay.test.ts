import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { replayRuns } from '../../client/commands/replay-runs.ts';
import { readRecording } from '../../storage/recordings/read-recording.ts';
import { reply } from '../../testing/provider/index.ts';
import type { Exported } from '../replay/mutations.ts';
import { eventOf, inPayload, payloadsOf } from '../replay/mutations.ts';
import { type CliWorld, createCliWorld, until } from '../support/cli-world.ts';

let world: CliWorld;
let run = '';
beforeAll(async () => {
  world = await createCliWorld();
  world.provider.script([
    reply.tools({ order: { id: 'A-17' } }),
    reply.tools({ order: { id: 'A-18' } }),
    reply.text('Both are shipped.'),
  ]);
  const ran = await world.belayer('run', 'agent.ts', 'Where are A-17 and A-18?');
  run = (await until(() => ran.errors, /Run (\S+)/))[1] ?? '';
});
afterAll(async () => world?.stop());

test('a run that was just made replays strictly, from the server and from a file without any', async () => {
  const replayed = await world.belayer('replay', run);
  expect(replayed).toMatchObject({ code: 0 });
  expect(replayed.out).toMatch(new RegExp(`^Run ${run} replays: 1 execution, \\d+ events, \\d+ commands compared\\.$`, 'm')); // prettier-ignore
  expect((await world.ask('histories', 'export', run, '--out', 'run.json')).code).toBe(0);
  const json = await world.ask('replay', '--file', 'run.json', '--json');
  expect(JSON.parse(json.out)).toMatchObject({ run, executions: 1 });
});

test('a replay of a file says what was redacted in its histories, and compares it as it stands', async () => {
  const exported = await world.ask('histories', 'export', run, '--out', 'redacted.jsonl', '--redact', 'A-17'); // prettier-ignore
  expect(exported.errors).toContain('payloads of 1 execution');
  const text = await world.ask('replay', '--file', 'redacted.jsonl');
  // Of a near call the history has the hash of its arguments, which no redacted ones have.
  expect(text.code).toBe(1);
  expect(text.out).toMatch(/differs at 1\.1: .*\n.*inputHash/);
  expect(text.out).toMatch(/^[1-9]\d* values? in payloads of 1 execution (was|were) redacted: /m);
  const json = await world.ask('replay', '--file', 'redacted.jsonl', '--json');
  const { redacted } = JSON.parse(json.out) as { redacted: { executions: number; values: number } };
  expect(redacted.executions).toBe(1);
  const end = readRecording(readFileSync(join(world.folder, 'redacted.jsonl'))).end;
  const taken = (end?.redactions ?? []).filter(({ part }) => part === 'history');
  expect(redacted.values).toBe(taken.reduce((sum, { count }) => sum + count, 0));
  await world.ask('histories', 'export', run, '--keep-secrets', '--out', 'kept.jsonl');
  const kept = await world.ask('replay', '--file', 'kept.jsonl', '--json');
  expect(JSON.parse(kept.out)).not.toHaveProperty('redacted');
});

test('a history that today’s code would not have made ends the command with 1 and shows both sides', async () => {
  await world.ask('histories', 'export', run, '--out', 'changed.json');
  const file = join(world.folder, 'changed.json');
  const { workflowId, executions } = readRecording(readFileSync(file));
  const exported = { workflowId, executions } as Exported;
  const second = eventOf(exported, 'ACTIVITY_TASK_SCHEDULED', 2);
  inPayload(payloadsOf(second['input'])[0], (value) => {
    value['timeoutMs'] = 1;
  });
  writeFileSync(file, JSON.stringify(exported));
  const text = await world.belayer('replay', '--file', 'changed.json');
  expect(text.code).toBe(1);
  expect(text.out).toContain(`Run ${run} differs at 2: activity callModel with another value.`);
  expect(text.out).toMatch(/recorded {2}1\n {2}today {5}120000/);
  const json = await world.ask('replay', '--file', 'changed.json', '--json');
  expect(json.code).toBe(1);
  expect(JSON.parse(json.out)).toMatchObject({
    difference: { position: '2', path: 'input[0].timeoutMs', recorded: 1, today: 120_000 },
  });
});

test('a gate replays the newest runs over several processes and writes what a pipeline reads', async () => {
  const gate = await world.belayer('replay', '--gate', '--last', '10', '--cores', '2', '--junit', 'junit.xml'); // prettier-ignore
  expect(gate).toMatchObject({ code: 0 });
  expect(gate.errors).toMatch(/1 run: 1 replay, 0 differ\./);
  expect(readFileSync(join(world.folder, 'junit.xml'), 'utf8')).toContain(
    `<testcase classname="support" name="${run}"`,
  );
  const since = await world.belayer('replay', '--since', '1h', '--sample', '5', '--json');
  expect(since.code).toBe(0);
  expect(JSON.parse(since.out)).toMatchObject({ id: run, kind: 'replayed' });
});

test('a gate that could replay nothing fails, unless that is allowed', async () => {
  const empty = await world.ask('replay', '--gate', '--last', '5', '--agent', 'nobody');
  expect(empty.code).toBe(1);
  expect(empty.errors).toContain('--allow-empty');
  const allowed = await world.ask('replay', '--gate', '--last', '5', '--agent', 'nobody', '--allow-empty'); // prettier-ignore
  expect(allowed.code).toBe(0);
});

test('a run that waits for a human replays as far as it has come, and so does its state', async () => {
  world.provider.script([reply.tools({ refund: { id: 'A-17' } }), reply.text('Refunded.')]);
  const waits = await world.belayer('run', 'agent.ts', 'Refund A-17.', '--no-wait');
  expect(waits.code).toBe(5);
  const open = (await until(() => waits.errors, /Run (\S+)/))[1] ?? '';
  const replayed = await world.ask('replay', open);
  expect(replayed).toMatchObject({ code: 0 });
  const shown = await world.ask('show', open, '--step', '1', '--state', '--json');
  expect(JSON.parse(shown.out)).toMatchObject({ run: open, state: { step: 0, inFlight: ['1'] } });
  expect((await world.ask('show', open, '--step', '2', '--state')).code).toBe(2);
  await world.ask('halt', open, '--reason', 'enough');
});

test('runs whose histories are gone, damaged or not reached are told apart', async () => {
  await world.ask('histories', 'export', run, '--out', 'held.json');
  const held = readFileSync(join(world.folder, 'held.json'), 'utf8');
  const fetch = (id: string): Promise<{ json: string } | { gone: string }> =>
    Promise.resolve(
      id === 'gone' ? { gone: 'Its retention is over.' } : { json: id === 'held' ? held : '{}' },
    );
  const replayed = async (ids: readonly string[], msMax: number): Promise<string[]> => {
    const told: string[] = [];
    await replayRuns({
      runs: ids.map((id) => ({ id, agent: 'support' })),
      processes: 1,
      msMax,
      fetch,
      onVerdict: ({ id, kind }) => told.push(`${id} ${kind}`),
    });
    return told;
  };
  expect(await replayed(['gone', 'damaged', 'held'], 60_000)).toEqual([
    'gone not-held',
    'damaged failed',
    'held replayed',
  ]);
  // Less than a process needs to start.
  expect(await replayed(['held', 'gone'], 1)).toEqual(['held not-reached', 'gone not-reached']);
});

test('what does not fit together on the command line is wrong usage', async () => {
  const wrong = [
    ['replay'],
    ['replay', run, '--gate'],
    ['replay', '--gate'],
    ['replay', run, '--junit', 'x.xml'],
    ['replay', '--since', 'soon'],
    ['replay', '--file', 'no-such-file.json'],
    ['replay', '--file', 'agent.ts'],
    ['show', run, '--state'],
  ];
  for (const words of wrong) expect((await world.ask(...words)).code, words.join(' ')).toBe(2);
});

test('the whole state of a run is shown as it was when a step was about to start', async () => {
  const shown = await world.belayer('show', run, '--step', '2', '--state', '--json');
  expect(shown.code).toBe(0);
  expect(JSON.parse(shown.out)).toMatchObject({
    run,
    position: '2',
    execution: 1,
    state: {
      step: 1,
      inFlight: ['2'],
      input: { agent: 'support' },
      entries: [{ at: '1.1' }],
      transcript: { length: 2 },
    },
  });
  const text = await world.ask('show', run, '--step', '3', '--state');
  expect(JSON.parse(text.out)).toMatchObject({ step: 2, inFlight: ['3'] });
  expect((await world.ask('show', run, '--step', '9', '--state')).code).toBe(2);
});
