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
import type { Trail, TrailCall, WordsTrailCall } from './trail.ts';
import { toTrail } from './to-trail.ts';

/**
 * A fork whose parent the source does not hold, such as one in a file of its own, is read `alone`.
 *
 * @throws RunUnknown        The source does not hold the run.
 * @throws RecordingDamaged  A transcript goes on from a run that the source does not hold, or from itself.
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
  if ((await source.read(fork.run)) === undefined)
    return { ...own, head: { ...own.head, alone: true } };
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
  const before = prefix.trail.calls.filter((call) => isBefore(call, prefix.before));
  const calls = withoutSharedWords(own.calls, before);
  const mine = new Set(calls.map(keyOf));
  const shared = before.filter((call) => !mine.has(keyOf(call)));
  return {
    ...own,
    calls: [...shared, ...calls.map((call) => withArguments(call, prefix.trail))].toSorted(
      compareCalls,
    ),
    prompts: new Map([...prefix.trail.prompts, ...own.prompts]),
  };
}

/** A trail as it is set beside a fork that is alone: from where that fork begins. */
export function besideFork(
  trail: Trail,
  fork: Trail,
): { readonly trail: Trail; readonly fork: Trail } {
  const at = fork.head.alone === true ? fork.head.fork?.at : undefined;
  if (at === undefined) return { trail, fork };
  const before = trail.calls.filter((call) => isBefore(call, at));
  // A fork at a tool call was given the reply that asked for it.
  const own = withoutSharedWords(fork.calls, before).filter((call) => !isGiven(call, at));
  return {
    trail: { ...trail, calls: trail.calls.filter((call) => !before.includes(call)) },
    fork: { ...fork, calls: own },
  };
}

const isGiven = (call: TrailCall, at: Position): boolean =>
  call.kind !== 'words' && isBefore(call, at);

/** Words stand before the call at their position: a fork at that call has heard them too. */
function isBefore(call: TrailCall, position: Position): boolean {
  const order = comparePositions(call.position, position);
  return order < 0 || (order === 0 && call.kind === 'words');
}

/**
 * The rows of a fork hold the words that it shares: they stand where its parent has them. Behind the
 * first that was edited all are its own.
 */
function withoutSharedWords(
  own: readonly TrailCall[],
  before: readonly TrailCall[],
): readonly TrailCall[] {
  const words = own.filter((call) => call.kind === 'words');
  const theirs = before.filter((call) => call.kind === 'words');
  const differs = words.findIndex((word, index) => word.text !== theirs[index]?.text);
  const shared = new Set<TrailCall>(differs < 0 ? words : words.slice(0, differs));
  return own
    .filter((call) => !shared.has(call))
    .map((call) => (call.kind === 'words' ? renumbered(call, shared) : call));
}

/** The numbers of words at one position begin at 1, whatever of them was shared. */
function renumbered(word: WordsTrailCall, shared: ReadonlySet<TrailCall>): WordsTrailCall {
  const taken = [...shared].filter(({ position }) => position === word.position).length;
  return taken === 0 ? word : { ...word, number: word.number - taken };
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
