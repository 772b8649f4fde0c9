/** Reads a run's trail from its rows, and that of a fork from its parent's up to where it was forked. */
import { BelayerError, failureType } from '../../contracts/failures.ts';
import type { Position } from '../../contracts/positions.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { sha256 } from '../../storage/hash.ts';
import { runUnknown } from '../../storage/ledger.ts';
import { forkOf } from '../../storage/trails/fork-of.ts';
import type { TrailRows, TrailSource } from '../../storage/trails/trail-rows.ts';
import { chainsOf } from './chains.ts';
import { compareCalls, comparePositions, keyOf } from './order-positions.ts';
import type { Trail, TrailCall } from './trail.ts';
import { toTrail } from './to-trail.ts';

/**
 * @throws RunUnknown        The source does not hold the run.
 * @throws RecordingDamaged  A run goes on from one that the source does not hold, or from itself.
 */
export async function readTrail(
  source: TrailSource,
  run: string,
  behind: readonly string[] = [],
): Promise<Trail> {
  const rows = await source.read(run);
  if (rows === undefined) throw behind.length === 0 ? runUnknown(run) : lacking(run, behind);
  if (behind.includes(run)) throw lacking(run, behind);
  const fork = forkOf(rows);
  const own = toTrail(rows, chainsOf(rows, await parentsOf(source, rows)));
  if (fork === undefined) return own;
  return withPrefix(own, {
    trail: await readTrail(source, fork.run, [...behind, run]),
    before: fork.at,
  });
}

/** A trail that begins in another's: the parent's calls before a position, then its own. */
export function withPrefix(
  own: Trail,
  prefix: { readonly trail: Trail; readonly before: Position },
): Trail {
  const mine = new Set(own.calls.map(keyOf));
  const shared = prefix.trail.calls.filter((call) => {
    const order = comparePositions(call.position, prefix.before);
    // Words stand before the call at their position: a fork at that call has heard them too.
    return (order < 0 || (order === 0 && call.kind === 'words')) && !mine.has(keyOf(call));
  });
  return {
    ...own,
    calls: [...shared, ...own.calls.map((call) => withArguments(call, prefix.trail))].toSorted(
      compareCalls,
    ),
    prompts: new Map([...prefix.trail.prompts, ...own.prompts]),
  };
}

/** Of a step that the fork goes on in the middle of, the reply that asked is its parent's. */
function withArguments(call: TrailCall, parent: Trail): TrailCall {
  if (call.kind !== 'tool' && call.kind !== 'child') return call;
  const { argumentsHash, ...known } = call;
  if (argumentsHash === undefined) return call;
  for (const before of parent.calls)
    for (const asked of before.kind === 'model' ? (before.reply?.calls ?? []) : [])
      if (sha256(canonicalJson(asked.arguments)) === argumentsHash)
        return { ...known, arguments: asked.arguments };
  return call;
}

/** The runs whose transcripts it goes on from, however many generations. */
async function parentsOf(
  source: TrailSource,
  rows: TrailRows,
): Promise<ReadonlyMap<string, TrailRows>> {
  const found = new Map([[rows.run, rows]]);
  const waiting = [rows];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
    for (const segment of next.rows('segment')) {
      const parent = String(segment['parent_run']);
      if (found.has(parent)) continue;
      const read = await source.read(parent);
      if (read === undefined) throw lacking(parent, [rows.run]);
      found.set(parent, read);
      waiting.push(read);
    }
  return found;
}

const lacking = (run: string, behind: readonly string[]): BelayerError =>
  new BelayerError(
    failureType.recordingDamaged,
    behind.includes(run)
      ? `Run \`${run}\` goes on from itself: what says where it was forked is damaged.`
      : `Run \`${behind.at(-1) ?? ''}\` goes on from run \`${run}\`, which is not here.`,
  );
