import { expect, test } from 'vitest';
import { chooseTarget } from '../../client/commands/choose-target.ts';
import { WrongUsage } from '../../client/commands/exit-codes.ts';
import { flagOver, withFlag } from '../../client/commands/flags-text.ts';
import { runProgram } from '../../client/commands/program.ts';
import { flagCovers, toStartStopped } from '../../storage/stop-flags.ts';
import { aTerminal } from '../support/a-terminal.ts';

const owner = { run: 'clerk-1/7.2', agent: 'clerk', customer: 'acme' };

test.each([
  ['installation', '', true],
  ['customer', 'acme', true],
  ['customer', 'acm', false],
  ['agent', 'clerk', true],
  ['agent', 'acme', false],
  ['run', 'clerk-1/7.2', true],
  ['run', 'clerk-1', true],
  // A run is not covered because another one's id begins like its own.
  ['run', 'clerk-1/7', false],
  ['run', 'clerk-', false],
] as const)(
  'a flag over %s `%s` covers a sub-agent’s run of acme: %s',
  (scope, subject, covers) => {
    expect(flagCovers({ scope, subject }, owner)).toBe(covers);
  },
);

test('a run of no customer is covered by no customer’s flag', () => {
  const flag = { scope: 'customer', subject: 'acme' } as const;
  expect(flagCovers(flag, { ...owner, customer: undefined })).toBe(false);
  expect(flagCovers(flag, { ...owner, customer: '' })).toBe(false);
});

test('exactly one of a run, a customer, an agent and all is chosen', () => {
  expect(chooseTarget({}, { id: 'r' })).toBeUndefined();
  expect(chooseTarget({ customer: 'a' }, { id: undefined })).toEqual({ customer: 'a' });
  expect(chooseTarget({ agent: 'a' })).toEqual({ agent: 'a' });
  expect(chooseTarget({ all: true })).toEqual({ installation: true });
  for (const wrong of [() => chooseTarget({}), () => chooseTarget({ all: true }, { id: 'r' })])
    expect(wrong).toThrow(WrongUsage);
  expect(() => chooseTarget({ agent: 'a', customer: 'b' })).toThrow(/2 are given/);
});

test('the refusal of a start names who, why, by whom and since when, and a command fit for a shell', () => {
  const flag = {
    scope: 'customer',
    subject: "o'brien & sons",
    reason: 'fraud.',
    by: 'ann',
    since: '2026-11-22T08:00:00+00:00',
  };
  const refused = toStartStopped({ code: 'BL001', detail: JSON.stringify(flag) });
  expect(refused).toMatchObject({
    type: 'StartStopped',
    message: `Customer \`o'brien & sons\` is stopped: fraud (by ann since 2026-11-22T08:00:00.000Z). \`belayer lift --customer 'o'\\''brien & sons' --reason "..."\` lifts it. Nothing was started.`,
  });
  const other = { code: '23505', detail: '{}' };
  expect(toStartStopped(other)).toBe(other);
});

test('only an open run is shown with the flag that stops it', () => {
  const flag = {
    scope: 'agent',
    subject: 'clerk',
    reason: 'lies',
    by: 'ann',
    since: new Date(0),
  } as const;
  const open = { id: 'clerk-1', agent: 'clerk', customer: '', endedAt: null };
  expect(flagOver([flag], open)).toBe(flag);
  expect(withFlag([flag], open)).toEqual({ ...open, stoppedBy: flag });
  expect(withFlag([flag], { ...open, endedAt: new Date(1) })).not.toHaveProperty('stoppedBy');
  expect(withFlag([], open)).not.toHaveProperty('stoppedBy');
});

test.each([
  'halt --reason x',
  'halt some-run --all --reason x',
  'halt --customer a --agent b --reason x',
  'halt --customer a',
  'halt --all --reason x',
  'halt --all --force --yes --reason x',
  'halt --customer a --force --reason x',
  'lift --reason x',
  'lift some-run --reason x',
  'lift --customer a',
  'lift --customer a --all --reason x',
])('`belayer %s` is wrong usage, before any server is asked', async (line) => {
  const terminal = aTerminal();
  expect(await runProgram(line.split(' '), terminal)).toBe(2);
  expect(terminal.errors()).not.toMatch(/^\s+at /m);
});
