/** Stop flags on the command line. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runProgram } from '../../client/commands/program.ts';
import { reply } from '../../testing/provider/index.ts';
import { aTerminal } from '../support/a-terminal.ts';
import { type CliWorld, createCliWorld, until } from '../support/cli-world.ts';

let world: CliWorld;
beforeAll(async () => {
  world = await createCliWorld();
});
afterAll(async () => world?.stop());

test('a customer is stopped, shown wherever runs are shown, and let go again', async () => {
  world.provider.script(() => reply.tools({ refund: { id: 'A-1' } }));
  const running = world.belayer('run', 'agent.ts', 'Refund A-1.', '--customer', 'acme\u001b[2J');
  const [, run = ''] = await until(running.errors, /belayer approve (\S+) /);
  const customer = ['--customer', 'acme\u001b[2J'];
  const stopped = await world.ask('halt', ...customer, '--reason', 'fraud\u001b[31m');
  expect(stopped.code).toBe(0);
  expect(stopped.out).toContain('is stopped by ann; 1 of 1 open runs were told to halt.');
  expect(await running).toMatchObject({ code: 4 });

  const again = world.belayer('run', 'agent.ts', 'Refund A-2.', ...customer);
  const refused = await again;
  expect(refused.code).toBe(1);
  expect(refused.errors).toMatch(/is stopped: fraud.*\(by ann since .*belayer lift --customer/);

  const flags = await world.ask('flags');
  expect(flags.out).toMatch(/^STOPPED .*\n.*acme.*fraud.*ann/);
  const [flag] = (await world.ask('flags', '--json')).out.split('\n');
  expect(JSON.parse(flag ?? '')).toMatchObject({ scope: 'customer', by: 'ann' });
  const runs = await world.ask('runs');
  expect(runs.errors).toMatch(/^! Customer .* is stopped: fraud/);
  expect(JSON.parse((await world.ask('runs', '--json')).out)).not.toHaveProperty('stoppedBy');
  for (const { out, errors } of [stopped, flags, runs, refused])
    expect(`${out}${errors}`).not.toContain('\u001b');

  const lifted = await world.ask('lift', ...customer, '--reason', 'cleared', '--json');
  expect(JSON.parse(lifted.out)).toMatchObject({ scope: 'customer', lifted: true, by: 'ann' });
  expect((await world.ask('lift', ...customer, '--reason', 'twice')).code).toBe(2);
  expect((await world.ask('flags')).errors).toContain('No stop flag is set.');
  const history = (await world.ask('flags', '--history', '--json')).out.trim().split('\n');
  expect(history.map((line) => (JSON.parse(line) as { action: string }).action)).toEqual([
    'lifted',
    'set',
  ]);
  expect((await world.ask('show', run)).out).toContain('fraud');
});

test('an open run under a flag is shown with it, and a run without a worker is ended by force', async () => {
  world.provider.script(() => reply.tools({ refund: { id: 'B-1' } }));
  const left = await world.belayer('run', 'agent.ts', 'Refund B-1.', '--no-wait', '--json');
  const { run } = JSON.parse(left.out) as { run: string };
  expect((await world.ask('halt', '--agent', 'support', '--reason', 'lies')).code).toBe(0);
  const [row] = (await world.ask('runs', '--open', '--json')).out.split('\n');
  expect(JSON.parse(row ?? '')).toMatchObject({
    id: run,
    stoppedBy: { scope: 'agent', subject: 'support', reason: 'lies' },
  });
  const shown = await world.ask('show', run);
  expect(shown.out).toMatch(/^! Agent `support` is stopped: lies \(by ann since /);
  expect(JSON.parse((await world.ask('show', run, '--json')).out)).toMatchObject({
    stoppedBy: { scope: 'agent' },
  });
  const forced = await world.ask('halt', run, '--force', '--reason', 'nobody works');
  expect(forced.code).toBe(0);
  expect(forced.out).toContain(`Terminated: ${run}.`);
  expect((await world.ask('watch', run)).code).toBe(4);
  expect((await world.ask('lift', '--agent', 'support', '--reason', 'mended')).code).toBe(0);
});

test('--all is asked about where somebody can answer, and needs --yes where nobody can', async () => {
  const unasked = await world.ask('halt', '--all', '--reason', 'outage');
  expect(unasked.code).toBe(2);
  expect(unasked.errors).toContain('--yes');
  const no = aTerminal({ folder: world.folder, environment: {}, answers: ['no'] });
  expect(await runProgram(['halt', '--all', '--reason', 'outage'], no)).toBe(1);
  expect(no.errors()).toContain('Nothing was stopped.');
  expect((await world.ask('flags', '--json')).out).toBe('');
  const stopped = await world.ask('halt', '--all', '--yes', '--reason', 'outage', '--json');
  expect(JSON.parse(stopped.out)).toMatchObject({ scope: 'installation', isNew: true });
  expect((await world.ask('lift', '--all', '--reason', 'over')).code).toBe(0);
});

test('an agent that nobody published is refused by its name', async () => {
  const refused = await world.ask('halt', '--agent', 'suport', '--reason', 'x');
  expect(refused.code).toBe(2);
  expect(refused.errors).toContain('`suport`');
});
