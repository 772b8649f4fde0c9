/**
 * The calls that this worker is carrying out, so that a halt reaches them at once and a watcher who
 * comes late still sees the rest of a reply.
 *
 * The worker's copy of the stop flags is here too. It may be `limits.stopFlagsAgeMsMax` old: calls
 * with a claim check the flags in the database, and only calls without one rely on this copy.
 */
import type { StopScope } from '../storage/ledger.ts';
import { flagCovers } from '../storage/stop-flags.ts';
import { following } from './following.ts';

export interface StopFlag {
  readonly scope: StopScope;
  readonly subject: string;
  readonly reason: string;
}

export interface CallOwner {
  readonly run: string;
  readonly agent: string;
  readonly customer: string | undefined;
}

/** Why a call's signal was aborted: a human stopped it. */
export class HaltedSignal extends Error {
  readonly reason: string;
  constructor(reason: string) {
    super(`The run is halted: ${reason}`);
    this.name = 'HaltedSignal';
    this.reason = reason;
  }
}

/** Why a call's signal was aborted: its session heard a message that interrupts. */
export class InterruptedSignal extends Error {
  constructor() {
    super('A message interrupts the call.');
    this.name = 'InterruptedSignal';
  }
}

export interface FlightEntry {
  readonly signal: AbortSignal;
  /** Someone watches the run now. */
  watched: boolean;
  land(): void;
}

export interface InFlight {
  /**
   * Registers a call. Its signal is aborted with `HaltedSignal` when a flag that applies is raised,
   * and as `cancelled` is.
   */
  fly(owner: CallOwner, cancelled: AbortSignal): FlightEntry;
  /** The reason of the first flag that applies, from this worker's copy. */
  stoppedBy(owner: CallOwner): string | undefined;
  /** Replaces the copy of the flags, and aborts what they apply to. */
  setFlags(flags: readonly StopFlag[]): void;
  addFlag(flag: StopFlag): void;
  /** Aborts the calls of a run with `InterruptedSignal`. */
  interrupt(run: string): void;
  markWatched(run: string): void;
  readonly size: number;
}

export function createInFlight(): InFlight {
  let flags: readonly StopFlag[] = [];
  const flights = new Map<
    AbortController,
    { readonly owner: CallOwner; readonly entry: FlightEntry }
  >();
  const abortStopped = (): void => {
    if (flags.length === 0) return;
    for (const [controller, { owner }] of flights) {
      const flag = flags.find((candidate) => flagCovers(candidate, owner));
      if (flag !== undefined && !controller.signal.aborted)
        controller.abort(new HaltedSignal(flag.reason));
    }
  };
  return {
    fly(owner, cancelled) {
      const { controller, unfollow } = following(cancelled);
      const entry: FlightEntry = {
        signal: controller.signal,
        watched: false,
        land() {
          flights.delete(controller);
          unfollow();
        },
      };
      flights.set(controller, { owner, entry });
      // A flag that was heard of after the claim and before this: the call ends before it begins.
      const flag = flags.find((candidate) => flagCovers(candidate, owner));
      if (flag !== undefined && !controller.signal.aborted)
        controller.abort(new HaltedSignal(flag.reason));
      return entry;
    },
    stoppedBy: (owner) => flags.find((flag) => flagCovers(flag, owner))?.reason,
    setFlags(fresh) {
      flags = fresh;
      abortStopped();
    },
    addFlag(flag) {
      flags = [...flags, flag];
      abortStopped();
    },
    interrupt(run) {
      for (const [controller, { owner }] of flights)
        if (owner.run === run && !controller.signal.aborted)
          controller.abort(new InterruptedSignal());
    },
    markWatched(run) {
      for (const { owner, entry } of flights.values()) if (owner.run === run) entry.watched = true;
    },
    get size() {
      return flights.size;
    },
  };
}
