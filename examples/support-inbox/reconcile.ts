/** The books of the payment service against what the runs believe: did the money move once per refund? */
import type { Handled } from './handle-mail.ts';
import type { Movement } from './payments.ts';
import { type Allowed, usd } from './shop.ts';

/** One line for a person. */
export function reconcile(
  handled: readonly Handled[],
  allowed: readonly Allowed[],
  books: readonly Movement[],
): string {
  const movedFor = ({ order }: Allowed): readonly Movement[] =>
    books.filter(({ reference }) => reference === order);
  const wrong: string[] = [];
  for (const each of allowed) {
    const moved = movedFor(each);
    if (moved.length > 1) wrong.push(`${each.order} was paid back ${moved.length} times`);
    if (moved.some(({ cents }) => cents !== each.cents))
      wrong.push(`${each.order} was paid back with another amount`);
  }
  for (const { run, file, end, tally } of handled) {
    if (run === undefined || end === 'under way') continue;
    const believed = (tally.tools['refund'] ?? 0) + (tally.tools['wire_refund'] ?? 0);
    const moved = allowed.filter((each) => each.run === run).flatMap(movedFor).length;
    if (believed !== moved)
      wrong.push(`${file} believes in ${believed} refunds, ${moved} were made`);
  }
  if (wrong.length > 0) return `WRONG: ${wrong.join('; ')}`;
  const cents = books.reduce((sum, movement) => sum + movement.cents, 0);
  return `${books.length} paid back, together ${usd(cents)}: each once in the books, as its run believes`;
}
