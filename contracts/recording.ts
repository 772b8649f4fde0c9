/**
 * A recording: one run and its sub-agents' runs in one file, in lines. `docs/recording-format.md` is its
 * description for other programs.
 *
 * These names are in files that others keep: add, never rename.
 */
import type { Hash } from './agent-run.ts';

export const recordingFormat = 'belayer-recording';
export const recordingVersion = 1;

export type RecordingPart =
  /** The first line. */
  | 'recording'
  | 'definition'
  | 'fragment'
  | 'run'
  | 'budget'
  | 'said'
  | 'call'
  | 'entry'
  | 'segment'
  | 'attempt'
  | 'request'
  | 'decision'
  | 'event'
  | 'history'
  /** The last line. */
  | 'end';

export interface RecordingLine {
  readonly part: RecordingPart;
  /** Empty for what runs share. */
  readonly run: string;
  /** What the part calls one of its rows: a position, a hash, a number. */
  readonly position: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface RecordingHead {
  readonly format: typeof recordingFormat;
  readonly version: typeof recordingVersion;
  readonly run: string;
  readonly exportedAt: string;
  readonly exportedBy: string;
}

/** Values that one rule took out of one place. The values themselves are nowhere. */
export interface Redaction {
  readonly rule: string;
  readonly run: string;
  readonly part: RecordingPart;
  readonly position: string;
  readonly field: string;
  readonly count: number;
}

/** What does not hash any more, because something of it was redacted. */
export interface VoidHashes {
  /** Content whose recorded hash cannot be checked. */
  readonly content: readonly {
    readonly run: string;
    readonly part: RecordingPart;
    readonly position: string;
    readonly hash: Hash;
  }[];
  /** Prompts whose bytes cannot be put together: neither verified nor rerun. */
  readonly prompts: readonly {
    readonly run: string;
    readonly position: string;
    readonly attempt: number;
  }[];
  /** Executions whose payloads were changed: a strict replay compares them as they stand, and says so. */
  readonly histories: readonly { readonly run: string; readonly execution: number }[];
  /** Transcripts whose heads cannot be checked from this message on. */
  readonly chains: readonly {
    readonly run: string;
    readonly chain: number;
    readonly from: number;
  }[];
}

export interface RecordingEnd {
  /** Lines before this one. */
  readonly lines: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly redactions: readonly Redaction[];
  /** Values of chosen fields that were too short to be looked for outside of their field. */
  readonly shortValues: number;
  /** Payloads in histories that are not plain JSON: nothing was looked for in them. */
  readonly opaquePayloads: number;
  readonly void: VoidHashes;
}
