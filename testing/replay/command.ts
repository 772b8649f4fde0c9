/** A command of a workflow as both sides of a comparison see it: what a history recorded, what today's code decides. */
import type { History } from '@temporalio/common/lib/proto-utils.js';

export type HistoryEvent = NonNullable<History['events']>[number];

export type CommandKind =
  | 'activity'
  | 'local activity'
  | 'cancel activity'
  | 'timer'
  | 'cancel timer'
  | 'child run'
  | 'cancel child run'
  | 'patch'
  | 'search attributes'
  | 'update accepted'
  | 'update refused'
  | 'update answered'
  | 'run completed'
  | 'run failed'
  | 'run cancelled'
  | 'continue as new'
  /** One that no part of the loop uses: it is found, and compared by its kind alone. */
  | 'other';

/** Plain values as JSON has them; `undefined` where nothing was set. */
export type Fields = Readonly<Record<string, unknown>>;

export interface Command {
  /** The same on both sides for the same command: its kind's number, or the id that Temporal gave it. */
  readonly key: string;
  readonly kind: CommandKind;
  readonly fields: Fields;
  /** The event that starts the workflow task which decided it. */
  readonly task?: number;
  /** Its own position in the run, where it has one. */
  readonly position?: string;
}

export interface RecordedCommand extends Command {
  readonly eventId: number;
}

/** What is not set in a command is recorded as what the execution itself has. */
export interface OwnExecution {
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly workflowRunTimeoutMs: number;
  readonly workflowTaskTimeoutMs: number;
  readonly memo: unknown;
  readonly searchAttributes: unknown;
}
