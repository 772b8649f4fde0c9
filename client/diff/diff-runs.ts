/** Two runs side by side, from wherever each of them is. */
import { BelayerError, failureType } from '../../contracts/failures.ts';
import type { Database } from '../../storage/database.ts';
import {
  trailsInRecording,
  trailsOnRecord,
  type TrailSource,
} from '../../storage/trails/trail-rows.ts';
import { inTransaction } from '../../storage/transaction.ts';
import { compareTrails } from './compare-trails.ts';
import { readTrail } from './read-trail.ts';
import type { RunDiff } from './run-diff.ts';

/** A run by its id, or one that is in a recording. */
export type DiffSide =
  | string
  | {
      /** What `belayer histories export` wrote. */
      readonly recording: string | Uint8Array;
      /** A run in it, such as a sub-agent's. Default: the run that was exported. */
      readonly run?: string;
      /** What errors call it, such as the file's name. Default: `the recording`. */
      readonly name?: string;
    };

/**
 * `database` may be missing where both sides are recordings.
 *
 * @throws RunUnknown, RecordingDamaged, StorageUnavailable
 * @throws InputRejected  A side is neither an id nor a recording, or a recording without content.
 */
export async function diffRuns(
  database: Database | undefined,
  a: DiffSide,
  b: DiffSide,
): Promise<RunDiff> {
  const one = checked('first', a);
  const other = checked('second', b);
  if (typeof one !== 'string' && typeof other !== 'string') return diffOf(undefined, one, other);
  if (database === undefined)
    throw new BelayerError(
      failureType.inputRejected,
      'A run is named by its id, and there is no database to look it up in.',
    );
  return inTransaction(database, 'read', (query) => diffOf(trailsOnRecord(query), one, other));
}

async function diffOf(
  onRecord: TrailSource | undefined,
  a: DiffSide,
  b: DiffSide,
): Promise<RunDiff> {
  const [left, right] = [sideIn(onRecord, a), sideIn(onRecord, b)];
  await checkHeld(left, a);
  await checkHeld(right, b);
  // One after the other: both may read through one transaction.
  const one = await readTrail(either(left, right.source), left.run);
  return compareTrails(one, await readTrail(either(right, left.source), right.run));
}

function sideIn(onRecord: TrailSource | undefined, side: DiffSide) {
  if (typeof side === 'string') return { source: onRecord ?? nothingOnRecord, run: side };
  const recorded = trailsOf(side);
  return { source: recorded, run: side.run ?? recorded.run };
}

function trailsOf({ recording, name }: Exclude<DiffSide, string>) {
  try {
    return trailsInRecording(recording);
  } catch (error) {
    if (name === undefined || !(error instanceof BelayerError)) throw error;
    throw new BelayerError(error.type, `${name}: ${error.message}`, { cause: error });
  }
}

/** Of a run in a recording: no database is meant. */
async function checkHeld(
  { source, run }: { readonly source: TrailSource; readonly run: string },
  side: DiffSide,
): Promise<void> {
  if (typeof side === 'string' || (await source.read(run)) !== undefined) return;
  const { name = 'the recording' } = side;
  throw new BelayerError(
    failureType.runUnknown,
    `There is no run \`${run}\` in ${name}. Without a run named, the one that was exported is taken.`,
  );
}

/** The parent of a fork may be on the other side; the run itself is not looked for there. */
const either = (
  side: { readonly source: TrailSource; readonly run: string },
  other: TrailSource,
): TrailSource => ({
  read: async (run) =>
    (await side.source.read(run)) ?? (run === side.run ? undefined : other.read(run)),
});

const nothingOnRecord: TrailSource = { read: () => Promise.resolve(undefined) };

function checked(which: string, side: unknown): DiffSide {
  if (typeof side === 'string' && side !== '') return side;
  if (typeof side === 'object' && side !== null) {
    const { recording, run } = side as { readonly recording?: unknown; readonly run?: unknown };
    const isRecording = typeof recording === 'string' || recording instanceof Uint8Array;
    if (isRecording && (run === undefined || (typeof run === 'string' && run !== '')))
      return side as DiffSide;
  }
  throw new BelayerError(
    failureType.inputRejected,
    `The ${which} side of a diff is the id of a run, or an object with a \`recording\` (its text or bytes) and perhaps the \`run\` in it.`,
  );
}
