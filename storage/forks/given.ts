import { invariant } from '../../contracts/failures.ts';
import type { Position } from '../../contracts/positions.ts';
import type { Database } from '../database.ts';

/** The reply that a fork's model call is given, as the message that its transcript holds. */
export async function readGiven(
  database: Database,
  runNo: number,
  position: Position,
): Promise<string> {
  const [row] = await database.query<{ body: string }>(
    {
      name: 'read_given',
      text: 'select body from belayer.given where run_no = $1 and position = $2',
    },
    [runNo, position],
  );
  invariant(row !== undefined, `the reply at ${position} was given with the fork`);
  return row.body;
}
