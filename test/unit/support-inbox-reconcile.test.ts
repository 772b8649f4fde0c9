import { expect, test } from 'vitest';
import { reconcile } from '../../examples/support-inbox/reconcile.ts';

const mail = (refunds: number) => ({
  file: '1.eml',
  run: 'support-1',
  end: 'done' as const,
  before: false,
  resolution: 'refunded',
  summary: '',
  decisions: [],
  tally: { costMicroUsd: 0, tokens: 0, calls: 0, attempts: 0, tools: { wire_refund: refunds } },
});
const allowed = [{ run: 'support-1', order: 'A-1', cents: 4_500 }];
const moved = (cents: number) => ({
  id: 'P-1',
  kind: 'transfer' as const,
  reference: 'A-1',
  cents,
  madeAt: '2026-11-22T10:00:00Z',
});

test('money that moved once, as the run believes, is right', () => {
  expect(reconcile([mail(1)], allowed, [moved(4_500)])).toBe(
    '1 paid back, together 45.00 USD: each once in the books, as its run believes',
  );
  expect(reconcile([mail(0)], allowed, [])).toContain('0 paid back');
});

test.each([
  ['was paid back 2 times', mail(2), [moved(4_500), moved(4_500)]],
  ['with another amount', mail(1), [moved(900)]],
  ['believes in 1 refunds, 0 were made', mail(1), []],
  ['believes in 0 refunds, 1 were made', mail(0), [moved(4_500)]],
])('what does not fit is named: %s', (text, handled, books) => {
  expect(reconcile([handled], allowed, books)).toMatch(new RegExp(`^WRONG: .*${text}`));
});
