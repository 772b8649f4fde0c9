import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reply } from '../../testing/provider/index.ts';
import { type CliWorld, createCliWorld, until } from '../support/cli-world.ts';

let world: CliWorld;
let run = '';
let fork = '';
const idIn = async (errors: string): Promise<string> =>
  (await until(() => errors, /Run ([^\s,]+)/))[1] ?? '';

beforeAll(async () => {
  world = await createCliWorld();
  world.provider.script([
    reply.tools({ order: { id: 'A-17' } }),
    reply.tools({ refund: { id: 'A-17' }, order: { id: 'A-18' } }),
  ]);
  const ran = await world.belayer('run', 'agent.ts', 'Refund what is lost.', '--no-wait');
  run = await idIn(ran.errors);
});
afterAll(async () => world?.stop());

test('a run that waits for a human is forked, carried out here and followed to its end', async () => {
  world.provider.script([reply.text('Nothing is lost.')]);
  const forked = await world.belayer('fork', run, '--at', '1.1', '--result', '{"id":"A-17","state":"found"}', '--by', 'ann', '--reason', 'what if', '--key', 'k', '--app', 'agent.ts'); // prettier-ignore
  expect(forked).toMatchObject({ code: 0, out: 'Nothing is lost.\n' });
  fork = await idIn(forked.errors);
  expect(forked.errors).toContain(`Run ${fork}, forked from ${run} at 1.1`);
  expect(forked.errors).toContain(`forked from ${run} at 1.1 by ann: result {"id":"A-17","state":"found"} (what if)`); // prettier-ignore
  expect(forked.errors).toContain('asks for order, as it is on record');
  const same = await world.belayer('fork', run, '--at', '1.1', '--result', '{"state":"found","id":"A-17"}', '--key', 'k', '--detach'); // prettier-ignore
  expect(same).toMatchObject({ code: 0, out: `${fork}\n` });
});

test('instructions, model and message come from files and flags, and the fork waits as a run does', async () => {
  writeFileSync(join(world.folder, 'new.txt'), 'Be careful.');
  world.provider.script([reply.tools({ refund: { id: 'B-1' } })]);
  const forked = await world.belayer('fork', run, '--at', '2', '--instructions', '@new.txt', '--message', 'Take B-1.', '--steps', '3', '--cost-usd', '0.5', '--no-wait', '--json', '--app', 'agent.ts'); // prettier-ignore
  expect(forked.code).toBe(5);
  const document = JSON.parse(forked.out) as { readonly run: string };
  expect(document).toMatchObject({ state: 'waiting', requests: [{ position: '2.1/approval' }] });
  const sent = world.provider.requests.at(-1)?.json.messages ?? [];
  expect(sent[0]?.content).toBe('Be careful.');
  expect(sent.at(-1)?.content).toBe('Take B-1.');
  const shown = await world.ask('show', document.run, '--json');
  expect(JSON.parse(shown.out)).toMatchObject({ run: { ceilingMicroUsd: 500_000, forkOf: run, forkAt: '2' } }); // prettier-ignore
  await world.ask('halt', document.run, '--reason', 'enough');
});

test('forks are shown with the run, and the run with its forks, as a tree', async () => {
  const shown = await world.ask('show', fork);
  expect(shown.out).toContain(
    `forked    from ${run} at 1.1 (result {"id":"A-17","state":"found"})`,
  );
  expect((await world.ask('show', run)).out).toMatch(new RegExp(`^forks\n  ${fork}  at 1.1`, 'm'));
  expect(JSON.parse((await world.ask('show', run, '--json')).out)).toMatchObject({ forks: [{ id: fork }, { forkAt: '2' }] }); // prettier-ignore
  world.provider.script([reply.text('Once more.')]);
  const deeper = await world.belayer('fork', fork, '--at', '2', '--app', 'agent.ts');
  const third = await idIn(deeper.errors);
  const tree = await world.ask('forks', third);
  const lines = tree.out.trimEnd().split('\n');
  expect(lines).toHaveLength(4);
  expect(lines[0]).toMatch(new RegExp(`^${run}  waiting`));
  expect(lines[1]).toMatch(new RegExp(`^  ${fork}  at 1.1 \\(result .*\\)  done  \\$`));
  expect(lines[2]).toMatch(new RegExp(`^    ${third}  at 2  done  \\$.*  <$`));
  const rows = (await world.ask('forks', fork, '--json')).out.trim().split('\n');
  expect(rows.map((row) => (JSON.parse(row) as { id: string }).id)[0]).toBe(run);
});

test('what a fork shares is shown where it happened, and its own prompts and states are its own', async () => {
  const shared = await world.ask('show', fork, '--position', '1', '--prompt');
  expect(shared.code).not.toBe(0);
  const second = await world.ask('show', fork, '--step', '2', '--prompt');
  expect(second.code).toBe(0);
  expect(second.out).toContain('found');
  const state = await world.ask('show', fork, '--step', '2', '--state', '--json');
  expect(JSON.parse(state.out)).toMatchObject({ state: { step: 1, inFlight: ['2'], input: { given: ['1', '1.1'] } } }); // prettier-ignore
  const tree = (await world.ask('forks', fork, '--json')).out.trim().split('\n');
  const third = (JSON.parse(tree[3] ?? '{}') as { readonly id: string }).id;
  const before = await world.ask('show', third, '--step', '1', '--prompt');
  expect(before.errors).toContain(`shares what was before \`2\`, and its own history begins there: belayer show ${fork} --position 1`); // prettier-ignore
  expect((await world.ask('replay', fork)).code).toBe(0);
});

test('what cannot be forked is told in words, without a trace', async () => {
  const wrong: readonly (readonly [readonly string[], string, number?])[] = [
    [['fork', run], "required option '--at <position>' not specified"],
    [['fork', run, '--at', '7'], 'has not come there', 1],
    [['fork', run, '--at', '1', '--result', 'x'], 'fork at 1.1, for example'],
    [['fork', run, '--at', '1.1', '--arguments', '{'], '--arguments is not JSON'],
    [['fork', run, '--at', '1', '--detach', '--app', 'agent.ts'], 'not both'],
    [['fork', run, '--at', '1', '--wall', 'soon'], '`limits.wall`'],
    [['fork', 'nobody', '--at', '1'], 'There is no run `nobody`'],
    [['forks', 'nobody'], 'There is no run `nobody`'],
  ];
  for (const [words, message, code = 2] of wrong) {
    const ended = await world.ask(...words);
    expect(ended.code, words.join(' ')).toBe(code);
    expect(ended.errors, words.join(' ')).toContain(message);
    expect(ended.errors).not.toMatch(/\n\s+at /);
  }
});
