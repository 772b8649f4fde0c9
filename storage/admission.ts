/** Which runs may be in flight, and whose turn is next (`0012-admission.ts`). */
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { admissionLimits } from './admission-refused.ts';
import type { Database } from './database.ts';
import { type RunToStart, startColumns } from './runs.ts';

/**
 * Admits queued runs while there are places: customers in turn, of each the oldest first. The caller starts
 * their workflows; a sweep takes those that it does not.
 */
export function admitRuns(database: Database): Promise<readonly RunToStart[]> {
  return database.query<RunToStart>(
    {
      name: 'admit_runs',
      text: `select ${startColumns} from belayer.admit($1,$2,$3,$4) with ordinality as a(no, turn) join belayer.run r on r.no = a.no
        left join belayer.entry e on e.run_no = r.no and e.chain = 0 and e.seq = 0 order by a.turn`,
    },
    [
      admissionLimits.runs,
      admissionLimits.share,
      limits.admissionRunsMax,
      limits.admissionCustomersMax,
    ],
  );
}

/** Ends a queued run, which then never starts. False: it is not queued, or not any more. */
export async function endQueued(
  database: Database,
  run: string,
  { reason, by }: { readonly reason: string; readonly by: string },
): Promise<boolean> {
  const [row] = await database.query<{ ended: boolean }>(
    { name: 'end_queued', text: 'select belayer.end_queued($1,$2,$3) as ended' },
    [run, reason, by],
  );
  return row?.ended ?? false;
}

/** Ends those of them that queue: their ids. */
export async function endQueuedOf(
  database: Database,
  runs: readonly { readonly run: string; readonly reason: string; readonly by: string }[],
): Promise<ReadonlySet<string>> {
  const rows = await database.query<{ id: string }>(
    {
      name: 'end_queued_of',
      text: `select r.id from unnest($1::text[], $2::text[], $3::text[]) h(run, reason, by)
        join belayer.run r on r.id = h.run and r.place = 'queued'
        where belayer.end_queued(h.run, h.reason, h.by)`,
    },
    [runs.map(({ run }) => run), runs.map(({ reason }) => reason), runs.map(({ by }) => by)],
  );
  return new Set(rows.map(({ id }) => id));
}

/** @throws AdmissionRefused  Its turn did not come within `limits.admissionWaitMsMax`. */
export async function untilAdmitted(database: Database, run: string): Promise<void> {
  const endMs = performance.now() + limits.admissionWaitMsMax;
  for (let delayMs = 50; performance.now() < endMs; delayMs = Math.min(delayMs * 2, 1_000)) {
    const [row] = await database.query<{ queued: boolean }>(
      {
        name: 'is_queued',
        text: `select place is not distinct from 'queued' as queued from belayer.run where id = $1`,
      },
      [run],
    );
    if (row?.queued !== true) return;
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
  throw new BelayerError(
    failureType.admissionRefused,
    `Run \`${run}\` is queued, and its turn did not come within ${limits.admissionWaitMsMax / 1000} seconds. The message was not sent; send it again, with the same \`id\`.`,
  );
}

/** What a worker's BELAYER_RUNS_IN_FLIGHT says. A rule over the installation beats it. */
export async function setRunsInFlight(database: Database, runs: number): Promise<void> {
  await database.query(
    {
      text: 'update belayer.admission set runs = $1 where runs is distinct from $1',
    },
    [runs],
  );
}
