/** Words that nobody could mean are refused before anything is sent: neither store is asked here. */
import { expect, test } from 'vitest';
import { belayerOn } from '../../client/connect.ts';
import type { Parts } from '../../client/parts.ts';
import { createRun } from '../../client/run.ts';
import { askHuman } from '../../definitions/index.ts';

const parts = { by: 'ann', settings: {} } as unknown as Parts;
const belayer = belayerOn(parts) as unknown as Record<
  string,
  (...words: unknown[]) => Promise<unknown>
>;
const run = createRun(parts, 'support-1') as unknown as Record<
  string,
  (...words: unknown[]) => Promise<unknown>
>;
const at = '7.2/approval';

test.each<[string, unknown[], string]>([
  [
    'approve',
    [at, { edt: {} }],
    '`edt` is not an option; known are by, reason, argumentsHash, id, edit',
  ],
  ['approve', [at, null], 'the options are null'],
  [
    'approve',
    [at, { id: 'x'.repeat(100_000) }],
    '`id` is a string of 100000 characters; it must be a string of 1 to 128 characters',
  ],
  ['approve', [at, { id: '' }], '`id` is an empty string'],
  ['approve', [5, {}], 'the position of the request is 5'],
  ['deny', [at, { edit: {} }], '`edit` is not an option'],
  ['deny', [at, { by: 5, reason: 6 }], '2 mistakes'],
  ['answer', [at, 'yes', { raeson: 'x' }], '`raeson` is not an option'],
  ['pause', [undefined], '`reason` is undefined'],
  ['pause', ['x', { reason: 'y' }], '`reason` is not an option'],
  ['resume', [{ who: 'ann' }], '`who` is not an option'],
  ['steer', [''], 'the text is an empty string'],
  ['halt', [undefined], '`reason` is undefined; a reason must be given'],
  ['halt', [''], '`reason` is an empty string'],
  ['halt', ['x', { forse: true }], '`forse` is not an option; known are by, force'],
  ['extendBudget', [undefined], 'it got undefined'],
  ['extendBudget', [{}], 'it has no amount'],
  [
    'extendBudget',
    [{ costUsd: 1e12 }],
    '`costUsd` is 1000000000000; a run may have at most 1000000',
  ],
  ['extendBudget', [{ steps: 1.5 }], '`steps` is 1.5; it must be a whole number from 1'],
  ['send', ['Hello.', { key: 'x' }], '`key` is not an option; known are id, by'],
])('run.%s(...%j) is refused with what is wrong', async (call, words, because) => {
  await expect(run[call]?.(...words)).rejects.toMatchObject({
    type: 'InputRejected',
    message: expect.stringContaining(because),
  });
});

test('a stop needs a reason and a name that is one', async () => {
  const target = { customer: 'acme' };
  for (const [options, because] of [
    [undefined, 'the options are undefined'],
    [{}, '`reason` is undefined'],
    [{ reason: 'x', by: 5 }, '`by` is 5'],
    [{ reason: 'x', bye: 'ann' }, '`bye` is not an option'],
  ] as const)
    for (const call of ['stop', 'lift'])
      await expect(belayer[call]?.(target, options)).rejects.toMatchObject({
        type: 'InputRejected',
        message: expect.stringContaining(because),
      });
});

test('every mistake of a message is named at once, with the options of a message', async () => {
  const sent = belayer['send']?.('support', { session: '', message: '', foo: 1, id: '' });
  const error = (await sent?.catch((thrown: unknown) => thrown)) as Error;
  expect(error).toMatchObject({ type: 'InputRejected' });
  for (const part of [
    '`foo` is not an option; known are session, message, id, by, customer, limits, deadline, reopen',
    '`session` is an empty string',
    '`message` is an empty string',
    '`id` is an empty string',
  ])
    expect(error.message).toContain(part);
});

test.each([[null], ['now'], [['a']]])('askHuman(%j) is one clear mistake', (options) => {
  expect(() => askHuman(options as never)).toThrow(/askHuman\(\): 1 mistake\n.*must be an object/);
});
