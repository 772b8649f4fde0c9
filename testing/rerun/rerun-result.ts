/** What a rerun found, as plain JSON: the same rerun of the same recording gives the same bytes. */
import type { Hash } from '../../contracts/agent-run.ts';
import type { Position } from '../../contracts/positions.ts';

export const rerunModes = ['strict', 'tools-recorded', 'live-after'] as const;
/**
 * `strict`: models and tools from the recording; the first miss stops.
 * `tools-recorded`: every model call is live, tools are from the recording.
 * `live-after`: models from the recording until the first prompt that it does not hold, or a position.
 */
export type RerunMode = (typeof rerunModes)[number];

/** What happens where the recording holds no result for a call that changes nothing outside. */
export const unmatchedPolicies = ['stop', 'ask', 'live'] as const;
export type UnmatchedPolicy = (typeof unmatchedPolicies)[number];

export const rerunVerdicts = [
  /** The same decisions and the same output. */
  'unchanged',
  /** A call, its arguments, or whether a human is asked, is another. */
  'decisions-differ',
  /** The same calls, and another output or another end. */
  'output-changed',
  /** It could not go on: `stopped` says where and why. */
  'stopped',
  /** The same as far as the recording reaches: the run has not ended there. */
  'open',
  /** Nothing was rerun: `because` says why. */
  'not-rerun',
] as const;
export type RerunVerdict = (typeof rerunVerdicts)[number];

export interface RerunResult {
  readonly run: string;
  readonly agent: string;
  readonly mode: RerunMode;
  readonly verdict: RerunVerdict;
  /** Of `not-rerun`. */
  readonly because?: string;
  readonly stopped?: StoppedAt;
  /** How its history does not replay on today's workflow code: the rerun then went by content from the first call. */
  readonly history?: string;
  /** Of `live-after` with a position: that no model call came behind it, so that nothing was live. */
  readonly nothingLive?: string;
  /** The first prompt that is not the recorded one. */
  readonly prompt?: PromptDifference;
  /** The first decision that is not the recorded one. */
  readonly decision?: DecisionDifference;
  /** How the run ended: `done`, `stopped: cost-limit`, `failed: OutputInvalid`, `open`. */
  readonly outcome: { readonly recorded: string; readonly now?: string };
  /** Of runs that are done. */
  readonly output: { readonly recorded?: RerunOutput; readonly now?: RerunOutput };
  /** Model calls that count as steps. */
  readonly steps: { readonly recorded: number; readonly now: number };
  readonly cost: RerunCost;
  /** Model calls in order, as far as the rerun came. */
  readonly calls: readonly RerunCall[];
  /** Reruns of the runs of its sub-agents, which are in the same recording. */
  readonly subAgents?: readonly RerunResult[];
}

export interface RerunOutput {
  /** SHA-256 of the output's canonical JSON. */
  readonly hash: Hash;
  /** That JSON. */
  readonly text: string;
}

/** Micro-dollars and tokens, of models and tools, without sub-agents' own. */
export interface RerunCost {
  /** As it was recorded, with all attempts. */
  readonly beforeMicroUsd: number;
  readonly beforeTokens: number;
  /** Live calls as they were billed; recorded ones as they were then. */
  readonly afterMicroUsd: number;
  readonly afterTokens: number;
  /** The part of it that this rerun really spent. */
  readonly liveMicroUsd: number;
}

export interface RerunCall {
  readonly position: Position;
  readonly model: string;
  /** SHA-256 of the prompt that was sent there; absent where none was. */
  readonly recorded?: Hash;
  readonly now: Hash;
  /** Where its reply came from: `history` for a call that brought none then. */
  readonly reply: 'recording' | 'live' | 'history';
}

/** Two values that can be read; absent where that side has none. */
export interface SideBySide {
  readonly recorded?: unknown;
  readonly now?: unknown;
}

export interface PromptDifference extends SideBySide {
  readonly position: Position;
  readonly recordedHash: Hash;
  readonly nowHash: Hash;
  /** Where in the request: `messages[3].content`, `tools[0].function.description`. */
  readonly path: string;
}

export interface DecisionDifference extends SideBySide {
  readonly position: Position;
  readonly why: DecisionWhy;
}

export type DecisionWhy =
  | 'other tool'
  | 'other arguments'
  | 'other order'
  | 'more calls'
  | 'fewer calls'
  | 'an output instead of calls'
  | 'calls instead of an output'
  | 'asks a human'
  | 'asks no human'
  | 'a call is refused'
  | 'a call is not refused'
  | 'the output does not fit'
  | 'the output fits'
  | 'a larger model is asked'
  | 'no larger model is asked'
  | 'a refusal'
  | 'no refusal'
  | 'no reply';

export interface StoppedAt {
  readonly position: Position;
  readonly what:
    | 'model call'
    | 'tool call'
    | 'write'
    | 'sub-agent'
    | 'request'
    | 'recording'
    | 'application';
  readonly tool?: string;
  /** Canonical JSON, or the text that the model wrote. */
  readonly arguments?: unknown;
  readonly because: string;
}
