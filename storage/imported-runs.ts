/** Runs that came by a recording: they are read, and nothing else happens to them. */
import { BelayerError, failureType } from '../contracts/failures.ts';
import type { Database } from './database.ts';

/** @throws RunImported */
export async function refuseImported(database: Database, run: string): Promise<void> {
  const [row] = await database.query<{ imported: boolean }>(
    {
      name: 'is_imported',
      text: `select exists (select from belayer.imported i join belayer.run r on r.no = i.run_no where r.id = $1) as imported`,
    },
    [run],
  );
  if (row?.imported === true) throw runImported(run);
}

export const runImported = (run: string): BelayerError =>
  new BelayerError(
    failureType.runImported,
    `Run \`${run}\` was imported from another installation: here it can only be read. Nothing was changed; do it where it runs.`,
  );
