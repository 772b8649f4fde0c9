import type { Position } from '../contracts/positions.ts';
import type { Database } from './database.ts';

/** The arguments that a human wrote in place of a call's own, with the request that allowed it. */
export async function readEditedArguments(
  database: Database,
  run: string,
  position: Position,
): Promise<string | undefined> {
  const [row] = await database.query<{ edited: string | null }>(
    {
      name: 'read_edited_arguments',
      text: `select q.edited_arguments as edited from belayer.request q
        join belayer.run r on r.no = q.run_no where r.id = $1 and q.position = $2`,
    },
    [run, position],
  );
  return row?.edited ?? undefined;
}
