import type { RunLimits } from './definitions.ts';

/** What a caller of `start` narrowed. Kept with the run's row, so that a sweep starts the same run. */
export interface RunOptions {
  readonly limits?: Partial<RunLimits>;
  /** Milliseconds since the epoch. */
  readonly deadlineMs?: number;
  /** Sub-agents inside sub-agents. */
  readonly depth?: number;
  /** Of a session: the id of the message that began it. */
  readonly firstMessage?: string;
}
