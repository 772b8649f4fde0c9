import type { RequestRow, Run } from 'belayer/client';
import { expect, test } from 'vitest';
import { lookUp, settle } from '../../examples/support-inbox/books.ts';
import type { Movement, Payments } from '../../examples/support-inbox/payments.ts';

const request = {
  position: '2.1/unknown-1',
  tool: 'wire_refund',
  arguments: '{"amountUsd":45,"orderId":"a-1009"}',
  argumentsHash: 'hash',
} as RequestRow;
const movement: Movement = {
  id: 'P-3',
  kind: 'transfer',
  reference: 'A-1009',
  cents: 4_500,
  madeAt: '2026-11-22T10:00:00Z',
};
const withBooks = (...movements: readonly Movement[]) =>
  ({
    books: (references: readonly string[]) =>
      Promise.resolve(movements.filter(({ reference }) => references.includes(reference))),
  }) as unknown as Payments;

/** Looks up and settles; gives what the run was told. */
async function told(payments: Payments): Promise<readonly unknown[]> {
  const said: unknown[] = [];
  const run = {
    approve: (...words: unknown[]) => Promise.resolve(said.push('approve', ...words)),
    answer: (...words: unknown[]) => Promise.resolve(said.push('answer', ...words)),
  } as unknown as Run;
  const finding = await lookUp(payments, request);
  if (finding !== undefined) await settle(run, request, finding, 'me');
  return said;
}

test('a refund that is in the books is answered with its own receipt', async () => {
  expect(await told(withBooks(movement))).toEqual([
    'answer',
    '2.1/unknown-1',
    { refund: 'P-3', orderId: 'A-1009', amount: '45.00 USD' },
    expect.objectContaining({ argumentsHash: 'hash', by: 'me' }),
  ]);
});

test('one that is not in the books may run again', async () => {
  expect(await told(withBooks({ ...movement, reference: 'A-1' }))).toEqual([
    'approve',
    '2.1/unknown-1',
    expect.objectContaining({ argumentsHash: 'hash', by: 'me' }),
  ]);
});

test('books that hold something else are left to a person', async () => {
  expect(await told(withBooks({ ...movement, cents: 1 }))).toEqual([]);
  expect(await told(withBooks(movement, movement))).toEqual([]);
  expect(await lookUp(withBooks(movement), { ...request, tool: 'reply' })).toBeUndefined();
});
