import { afterAll, beforeAll, expect, test } from 'vitest';
import { reply } from '../../testing/provider/index.ts';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CliWorld, createCliWorld, until } from '../support/cli-world.ts';

let world: CliWorld;
beforeAll(async () => {
  world = await createCliWorld();
});
afterAll(async () => world?.stop());

test('a run that waits is approved from another process, which prints what it approved', async () => {
  world.provider.script([reply.tools({ refund: { id: 'A-17' } }), reply.text('Refunded.')]);
  const running = world.belayer('run', 'agent.ts', 'Refund A-17.');
  const [, run = '', position = ''] = await until(running.errors, /belayer approve (\S+) (\S+)/);
  const inbox = await world.ask('inbox', '--json');
  expect(JSON.parse(inbox.out)).toMatchObject({ run, position, tool: 'refund' });
  const approved = await world.belayer('approve', run, position, '--reason', 'a known customer');
  expect(approved.code).toBe(0);
  expect(approved.out).toContain('"id": "A-17"');
  expect(approved.out).toContain(`${position} of ${run} is approved by ann.`);
  expect(await running).toMatchObject({ code: 0, out: 'Refunded.\n' });
  const again = await world.ask('deny', run, position);
  expect(again.code).toBe(1);
  expect(again.errors).not.toMatch(/^\s+at /m);
});

test('--no-wait ends with 5 and leaves the run open; halted, a run that is followed ends with 4', async () => {
  world.provider.script([
    reply.tools({ refund: { id: 'B-2' } }),
    reply.tools({ refund: { id: 'B-3' } }),
  ]);
  const left = await world.belayer('run', 'agent.ts', 'Refund B-2.', '--no-wait', '--json');
  expect(left.code).toBe(5);
  const { run, requests } = JSON.parse(left.out) as { run: string; requests: object[] };
  expect(requests).toMatchObject([{ position: '1.1/approval', state: 'open' }]);
  expect((await world.ask('halt', run, '--reason', 'enough')).code).toBe(0);

  const followed = world.belayer('run', 'agent.ts', 'Refund B-3.');
  const [, other = ''] = await until(followed.errors, /belayer approve (\S+) /);
  expect((await world.ask('halt', other, '--reason', 'the customer called')).code).toBe(0);
  expect(await followed).toMatchObject({ code: 4, out: '' });
  expect((await world.ask('watch', other)).code).toBe(4);
  // The first one had no worker while it was halted: the second one's carried that out.
  expect((await world.ask('watch', run)).code).toBe(4);
});

test('Ctrl-C leaves a run to another worker', async () => {
  world.provider.script([reply.tools({ refund: { id: 'C-3' } }), reply.text('Denied.')]);
  const running = world.belayer('run', 'agent.ts', 'Refund C-3.');
  const [, run = ''] = await until(running.errors, /belayer approve (\S+) /);
  running.interrupt();
  const interrupted = await running;
  expect(interrupted.code).toBe(130);
  expect(interrupted.errors).toContain(`belayer halt ${run} --reason`);

  const worker = world.belayer('worker', '--app', 'agent.ts');
  await until(worker.errors, /Working for support/);
  expect((await world.ask('deny', run, '1.1')).code).toBe(0);
  expect((await world.ask('watch', run)).code).toBe(0);
  worker.interrupt();
  expect((await worker).code).toBe(0);
});

test('a conversation goes on from the command line, turn by turn', async () => {
  writeFileSync(
    join(world.folder, 'talk.ts'),
    `import { defineAgent } from 'belayer';
export default defineAgent({ name: 'talker', instructions: 'Talk.', session: true });
`,
  );
  world.provider.script([reply.text('Hello.'), reply.text('Still here.')]);
  const first = await world.belayer('run', 'talk.ts', 'Hi.', '--key', 'chat-1');
  expect(first).toMatchObject({ code: 0, out: 'Hello.\n' });
  expect(first.errors).toContain('belayer send talker TEXT --session chat-1');
  const worker = world.belayer('worker', '--app', 'talk.ts');
  await until(worker.errors, /Working for talker/);
  const second = await world.ask('send', 'talker', 'Are you there?', '--session', 'chat-1');
  expect(second).toMatchObject({ code: 0, out: 'Still here.\n' });
  expect((await world.ask('runs', '--agent', 'talker')).out).toContain('waiting for a message');
  const refused = await world.ask('send', 'talker', 'x', '--session', '');
  expect(refused.code).toBe(2);
  worker.interrupt();
  await worker;
});

test('a run is paused, steered, resumed and given more from the command line', async () => {
  world.provider.script([reply.tools({ refund: { id: 'P-1' } }), reply.text('Done.')]);
  const running = world.belayer('run', 'agent.ts', 'Refund P-1.');
  const [, run = '', position = ''] = await until(running.errors, /belayer approve (\S+) (\S+)/);
  expect((await world.ask('pause', run, '--reason', 'a look')).out).toContain('is paused by ann');
  expect((await world.ask('pause', run, '--reason', 'again')).code).toBe(1);
  expect((await world.ask('steer', run, 'Be brief.')).code).toBe(0);
  const extended = await world.ask('extend', run, '--cost-usd', '2', '--steps', '3', '--json');
  expect(JSON.parse(extended.out)).toMatchObject({
    limits: { costMicroUsd: 3_000_000, steps: 43 },
  });
  const nothing = await world.ask('extend', run);
  expect(nothing).toMatchObject({ code: 2, errors: expect.stringContaining('--cost-usd') });
  expect((await world.ask('steer', run, '')).code).toBe(2);
  const edited = await world.ask('approve', run, position, '--edit', '{"id":"P-2"}');
  expect(edited.out).toContain('is approved by ann');
  expect((await world.ask('resume', run)).code).toBe(0);
  expect(await running).toMatchObject({ code: 0, out: 'Done.\n' });
  const shown = /with other arguments:\s+\{\s+"id": "P-2"/;
  expect((await world.ask('show', run)).out).toMatch(shown);
  expect((await world.ask('show', run, '--step', '1')).out).toMatch(shown);
  const last = world.provider.requests.at(-1)?.body ?? '';
  expect(last).toContain('Be brief.');
  expect(last).toContain('P-2');
});
