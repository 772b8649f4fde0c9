/** What `belayer.diff` gives. Names of fields are in what `belayer diff --json` prints: add, never rename. */
import type { Position } from '../../contracts/positions.ts';
import type { TrailCall, TrailEnd, TrailHead } from './trail.ts';

export interface RunDiff {
  readonly a: DiffedRun;
  readonly b: DiffedRun;
  /** Nothing differs that was sent, answered, done, decided or given out. Tries, money and times may. */
  readonly same: boolean;
  /** Model and tool calls before the first difference; all of them where there is none. */
  readonly sameCalls: number;
  /** Where the first difference is. Absent where there is none before the end. */
  readonly partsAt?: Position;
  /** Where something other than a prompt differs first: a reply, a call, a result, a decision. */
  readonly decisionsPartAt?: Position;
  /** Everything of both, by position. */
  readonly calls: readonly CallDiff[];
  /** Of outcome and output. */
  readonly end: readonly Difference[];
}

export interface DiffedRun extends TrailHead, TrailEnd {}

export interface CallDiff {
  readonly position: Position;
  /** Absent where this side has nothing at the position. */
  readonly a?: TrailCall;
  readonly b?: TrailCall;
  /** Empty where both did the same. At most `limits.diffPathsMax` of each field. */
  readonly differences: readonly Difference[];
  /** What differs and does not count: tries, cost, tokens, who decided, ids in a prompt. */
  readonly asides: readonly Difference[];
}

export type DifferingField =
  /** One side has nothing at the position, or something of another kind. */
  | 'call'
  | 'model'
  | 'prompt'
  | 'reply'
  | 'tool'
  | 'arguments'
  | 'result'
  | 'state'
  | 'request'
  | 'verdict'
  | 'reason'
  | 'edited'
  | 'text'
  | 'outcome'
  | 'output'
  | 'by'
  | 'attempts'
  | 'cost'
  | 'tokens';

export interface Difference {
  readonly field: DifferingField;
  /** Of a prompt: which part of it. */
  readonly part?: PromptPart;
  /** Inside the field: `items[2].price`. Empty where the whole differs. */
  readonly path: string;
  /** Of a message of a prompt: the call whose reply or result it is; `0` the input, `said/HASH` a person's. */
  readonly messageOf?: Position;
  /** JSON values; absent where that side has nothing. */
  readonly a?: unknown;
  readonly b?: unknown;
}

export type PromptPart =
  | 'model'
  | 'parameters'
  | 'tools'
  | 'output schema'
  | 'instructions'
  /** `path` begins with its number in the request's `messages`, from 0. */
  | 'message'
  /** Only how it is spelled: ids of calls, white space in arguments. It does not count. */
  | 'spelling';
