/** The order of a trail: by position, not by time, since calls that run side by side end in any order. */
import type { Position } from '../../contracts/positions.ts';
import type { TrailCall } from './trail.ts';

/** What is asked before a call runs stands before it, all else behind it. */
const asksFirst = new Set(['approval', 'question']);

export function comparePositions(a: Position, b: Position): number {
  const [one, other] = [parse(a), parse(b)];
  return (
    one.step - other.step ||
    one.index - other.index ||
    rank(one.words) - rank(other.words) ||
    compareWords(one.words, other.words)
  );
}

/** The key under which two trails' calls stand side by side. */
export const keyOf = (call: TrailCall): string =>
  call.kind === 'words'
    ? `words ${call.position} ${call.number}`
    : `${call.kind === 'request' ? 'request' : 'call'} ${call.position}`;

export function compareCalls(a: TrailCall, b: TrailCall): number {
  if ((a.kind === 'words') !== (b.kind === 'words')) {
    // Words stand before the model call that sees them, so before all of its step.
    const byStep = parse(a.position).step - parse(b.position).step;
    return byStep === 0 ? (a.kind === 'words' ? -1 : 1) : byStep;
  }
  const byPosition = comparePositions(a.position, b.position);
  if (byPosition !== 0) return byPosition;
  if (a.kind === 'words' && b.kind === 'words') return a.number - b.number;
  return Number(b.kind === 'request') - Number(a.kind === 'request');
}

function parse(position: Position) {
  const [place = '', serving = ''] = position.split('/');
  const [step = '', index = '0'] = place.split('.');
  return { step: Number(step), index: Number(index), words: serving.split('-') };
}

const rank = ([word = '']: readonly string[]): number =>
  asksFirst.has(word) ? -1 : word === '' ? 0 : 1;

/** A larger model is asked before the message of a repair; the other words come in the order of time as they are. */
const sorted = (word = ''): string => (word === 'up' ? 'fallback~' : word);

/** Numbers in them as numbers: `fallback-10` behind `fallback-9`. */
function compareWords(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const [one, other] = [sorted(a[at]), sorted(b[at])];
    if (one === other) continue;
    const [left, right] = [Number(one), Number(other)];
    if (one !== '' && other !== '' && !Number.isNaN(left) && !Number.isNaN(right))
      return left - right;
    return one < other ? -1 : 1;
  }
  return 0;
}
