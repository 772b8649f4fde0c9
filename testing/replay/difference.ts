import type { Position } from '../../contracts/positions.ts';

/** Where today's code would have decided otherwise than a history says. */
export interface ReplayDifference {
  readonly run: string;
  /** From 1: the execution of the run, counted over continue-as-new. */
  readonly execution: number;
  readonly runId?: string;
  /** Of the event that recorded it; of the event before, where today's code does something more. */
  readonly eventId: number;
  /** Its position in the run, or the last one before it. Absent before the first call. */
  readonly position?: Position;
  /** `before` when what differs has no position of its own and stands behind that one. */
  readonly positionIs?: 'its-own' | 'before';
  readonly what:
    | 'value'
    /** Something was recorded that today's code does not do. */
    | 'missing'
    /** Today's code does something that was not recorded. */
    | 'extra'
    /** Today's code does another thing in its place. */
    | 'other-command'
    /** Temporal's own replay refuses it, or the code fails. */
    | 'refused'
    /** Two executions of the run do not follow each other. */
    | 'executions';
  /** The command that was recorded: `activity callModel`. */
  readonly command: string;
  /** `input[0].transcript.head`. */
  readonly path?: string;
  /** Plain values; absent where that side has none. */
  readonly recorded?: unknown;
  readonly today?: unknown;
  /** What Temporal says, where it refuses as well. */
  readonly temporal?: string;
}
