import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reply, type RerunResult } from '../../testing/index.ts';
import { type CliWorld, createCliWorld, until } from '../support/cli-world.ts';
import { runWithoutNetwork } from '../support/without-network.ts';

const program = fileURLToPath(new URL('../../client/belayer.mjs', import.meta.url));
const answers = { 'A-17': 'shipped', 'A-18': 'lost', 'A-19': 'late' };

let world: CliWorld;
const runs: string[] = [];
beforeAll(async () => {
  world = await createCliWorld();
  answer();
  for (const order of Object.keys(answers)) {
    const ran = await world.belayer('run', 'agent.ts', `Where is ${order}?`);
    runs.push((await until(() => ran.errors, /Run (\S+)/))[1] ?? '');
  }
  runs.sort();
  const agent = readFileSync(join(world.folder, 'agent.ts'), 'utf8');
  writeFileSync(join(world.folder, 'kind.ts'), agent.replace('Answer about orders.', 'Be kind.'));
});
afterAll(async () => world?.stop());

/** A provider that looks the order up and says so; with other instructions it looks A-18 up under another id. */
function answer(): void {
  world.provider.script((request) => {
    const [asked = ''] = /A-1\d/.exec(JSON.stringify(request.messages[1])) ?? [];
    if (request.messages.at(-1)?.role === 'tool')
      return reply.text(`${asked} is ${answers[asked as keyof typeof answers]}.`);
    const isKind = request.messages[0]?.content === 'Be kind.';
    return reply.tools({ order: { id: isKind && asked === 'A-18' ? 'A18' : asked } });
  });
}

const resultsIn = (file: string): readonly RerunResult[] =>
  readFileSync(join(world.folder, file), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RerunResult);

test('a strict rerun of a file needs no server, no network and no key', async () => {
  await world.ask('histories', 'export', runs[0] ?? '', '--out', 'run.jsonl');
  const environment = {
    PATH: process.env['PATH'],
    HOME: world.folder,
    BELAYER_DATA: join(tmpdir(), 'belayer-test-bundles'),
  };
  const offline = (...words: string[]) =>
    runWithoutNetwork([program, 'rerun', '--file', 'run.jsonl', ...words], { folder: world.folder, environment }); // prettier-ignore
  const strict = await offline('--app', 'agent.ts', '--json');
  expect(strict).toMatchObject({ code: 0 });
  expect(JSON.parse(strict.out)).toMatchObject({
    run: runs[0],
    verdict: 'unchanged',
    outcome: { now: 'done' },
    calls: [{ position: '1', reply: 'recording' }, { position: '2', reply: 'recording' }],
  }); // prettier-ignore
  // Such a process reaches nothing indeed.
  const reached = `Promise.resolve().then(() => fetch(${JSON.stringify(world.provider.baseURL)})).then(() => 0, () => 7).then(process.exit)`;
  expect((await runWithoutNetwork(['-e', reached], { folder: world.folder, environment })).code).toBe(7); // prettier-ignore
});

test('one run is told from the server, with both sides of what is different', async () => {
  const same = await world.ask('rerun', runs[0] ?? '', '--app', 'agent.ts');
  expect(same.code).toBe(0);
  expect(same.out).toContain(`Run ${runs[0]}, strict: unchanged.`);
  expect(same.out).toContain('2 steps (recorded 2); 2 model calls, 0 live; 2 of 2 prompts the same.'); // prettier-ignore
  const other = await world.ask('rerun', runs[0] ?? '', '--app', 'kind.ts');
  expect(other.code).toBe(1);
  expect(other.out).toContain('First other prompt at 1, messages[0].content:');
  expect(other.out).toContain('  recorded  "Answer about orders."\n  now       "Be kind."');
  expect(other.out).toContain('Stopped at 1 (model call): The recording holds no reply');
});

test('a day is rerun with a new application: a table, files that can be compared, and what changed between them', async () => {
  answer();
  const old = await world.ask('rerun', '--since', '1d', '--app', 'agent.ts', '--out', 'old.jsonl');
  expect(old.code).toBe(0);
  expect(old.out).toMatch(/^unchanged +3$/m);
  const day = ['rerun', '--since', '1d', '--app', 'kind.ts', '--mode', 'tools-recorded'];
  const first = await world.ask(...day, '--out', 'first.jsonl', '--at-once', '2');
  expect(first.code).toBe(1);
  expect(first.out).toMatch(/^unchanged +2$/m);
  expect(first.out).toMatch(/^stopped +1$/m);
  expect(first.out).toMatch(/^1\.1 {2}other arguments +1$/m);
  expect(first.out).toMatch(/Cost before \$0\.\d+ \(\d+ tokens\), after \$0\.\d+ \(\d+ tokens\); spent on these reruns: \$0\.\d+\./); // prettier-ignore
  await world.ask(...day, '--out', 'second.jsonl');
  expect(readFileSync(join(world.folder, 'second.jsonl'), 'utf8')).toBe(
    readFileSync(join(world.folder, 'first.jsonl'), 'utf8'),
  );
  expect(resultsIn('first.jsonl').map(({ run }) => run)).toEqual(runs);
  const same = await world.ask('rerun', '--compare', 'first.jsonl', 'second.jsonl');
  expect(same).toMatchObject({ code: 0, out: '' });
  const compared = await world.ask('rerun', '--compare', 'old.jsonl', 'first.jsonl', '--json');
  expect(compared.code).toBe(1);
  const lines = compared.out.trimEnd().split('\n').map((line) => JSON.parse(line) as { run: string }); // prettier-ignore
  const stopped = resultsIn('first.jsonl').find(({ verdict }) => verdict === 'stopped');
  expect(lines.filter((line) => 'verdict' in line)).toMatchObject([
    { run: stopped?.run, verdict: { before: 'unchanged', after: 'stopped' } },
  ]);
});

test('a sample is the same for the same seed, and filters leave others out', async () => {
  const drawn = async (...words: string[]): Promise<readonly string[]> => {
    const { out } = await world.ask('rerun', '--since', '1d', '--app', 'agent.ts', '--json', ...words); // prettier-ignore
    return out.trimEnd().split('\n').filter((line) => line !== '').map((line) => (JSON.parse(line) as RerunResult).run); // prettier-ignore
  };
  expect(await drawn('--sample', '2', '--seed', '7')).toEqual(await drawn('--sample', '2', '--seed', '7')); // prettier-ignore
  const samples = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => drawn('--sample', '1', '--seed', `${seed}`))); // prettier-ignore
  expect(new Set(samples.flat()).size).toBeGreaterThan(1);
  expect(await drawn('--agent', 'nobody')).toEqual([]);
  expect(await drawn('--customer', 'nobody')).toEqual([]);
  expect(await drawn('--until', '12h')).toEqual([]);
  expect((await world.ask('rerun', '--since', '1d', '--until', '12h', '--app', 'agent.ts')).code).toBe(1); // prettier-ignore
});

test('no rerun is started any more when live calls have cost what they may', async () => {
  const asked = world.provider.requests.length;
  const ended = await world.ask('rerun', '--since', '1d', '--app', 'agent.ts', '--mode', 'tools-recorded', '--at-once', '1', '--max-cost-usd', '0.000001', '--out', 'cut.jsonl'); // prettier-ignore
  expect(ended.code).toBe(1);
  expect(resultsIn('cut.jsonl').map(({ verdict }) => verdict)).toEqual(['unchanged', 'not-rerun', 'not-rerun']); // prettier-ignore
  expect(ended.out).toMatch(/^Not started: the ceiling of live calls was reached .* +2$/m);
  expect(world.provider.requests).toHaveLength(asked + 2);
});
