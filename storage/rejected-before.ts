import type { Position } from '../contracts/positions.ts';
import type { Database } from './database.ts';

/**
 * The models whose replies to the prompt of a call were rejected before a larger one was asked at `7/up-2`.
 *
 * @returns their names; `all` where some of it is not in this run's journal: a fork shares what was before it.
 */
export async function rejectedBefore(
  database: Database,
  run: string,
  position: Position,
): Promise<readonly string[] | 'all'> {
  const now = riseOf(position);
  if (now.ups === 0) return [];
  const rows = await database.query<{ name: string; position: Position }>(
    {
      name: 'rejected_before',
      text: `select a.name, a.position from belayer.attempt a join belayer.run r on r.no = a.run_no
        where r.id = $1 and a.kind = 'model' and a.outcome = 'ok' and starts_with(a.position, $2)`,
    },
    [run, now.base],
  );
  const before = rows.filter((row) => {
    const { base, ups } = riseOf(row.position);
    return base === now.base && ups < now.ups;
  });
  return before.length < now.ups ? 'all' : before.map(({ name }) => name);
}

/** Of `7/interrupt-1-up-2-fallback-1`, `7/interrupt-1` and 2. */
function riseOf(position: Position): { readonly base: Position; readonly ups: number } {
  const [, base = position, ups = '0'] =
    /^(.*?)(?:[/-]up-(\d+))?(?:[/-]fallback-\d+)?$/.exec(position) ?? [];
  return { base, ups: Number(ups) };
}
