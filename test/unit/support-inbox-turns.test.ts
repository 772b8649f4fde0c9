import { expect, test } from 'vitest';
import { createTurns } from '../../examples/support-inbox/turns.ts';

test('mails of one customer are taken one after the other, and others wait for nobody', async () => {
  const turns = createTurns();
  const taken: string[] = [];
  const take = (customer: string, name: string) => {
    const turn = turns(customer);
    void turn.mine.then(() => taken.push(name));
    return turn;
  };
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const first = take('a', 'first of a');
  const second = take('a', 'second of a');
  take('a', 'third of a');
  take('b', 'first of b');
  await settled();
  expect(taken).toEqual(['first of a', 'first of b']);
  // Whoever passes before its own turn lets nobody overtake.
  second.pass();
  await settled();
  expect(taken.length).toBe(2);
  first.pass();
  first.pass();
  await settled();
  expect(taken).toEqual(['first of a', 'first of b', 'second of a', 'third of a']);
});
