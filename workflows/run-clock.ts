/**
 * What time it is for a run, and how long its history is.
 *
 * A near call that outlives its workflow task prolongs it with another one, and a replay does not tell the
 * two apart: behind such a call `Date.now()` and the length of the history are other ones than they were.
 * So both are read only where an event of the history's own wakes the run (a start, a signal, an update, a
 * timer, a call on the queue that comes back), and a near call says in its result how long it took.
 * Bookkeeping counts as no time.
 */
import { workflowInfo } from '@temporalio/workflow';
import type { AgentRunInput } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';

export class RunClock {
  readonly #ofEvents: boolean;
  readonly #nearModels: boolean;
  #nowMs = 0;
  #task = 0;
  #suggested = false;
  #wakings = 0;

  /** Runs from before there was a clock read Temporal's wherever they are. */
  constructor({ clock, modelPlacement }: AgentRunInput) {
    this.#ofEvents = clock === 'events';
    this.#nearModels = modelPlacement === 'near';
    this.tick();
  }

  /** Milliseconds since the epoch; never goes back. */
  get nowMs(): number {
    return this.#ofEvents ? this.#nowMs : Date.now();
  }

  /** Names the workflow task: the length of the history that it began with. */
  get task(): number {
    return this.#ofEvents ? this.#task : workflowInfo().historyLength;
  }

  /**
   * A new history is due. A run whose models are near spends its time in prolonged tasks, for which a replay
   * says another length: it counts for itself what woke it.
   */
  get isHistoryLong(): boolean {
    if (this.#ofEvents && this.#nearModels)
      return this.#wakings * limits.nearCallEventsMax > limits.historyEventsMax;
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    return this.#ofEvents
      ? this.#suggested || this.#task > limits.historyEventsMax
      : continueAsNewSuggested || historyLength > limits.historyEventsMax;
  }

  /** An event of the history's own has come. */
  tick(): void {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    this.#wakings += 1;
    this.#nowMs = Math.max(this.#nowMs, Date.now());
    this.#task = historyLength;
    this.#suggested = continueAsNewSuggested;
  }

  /** A near call that began at `sinceMs` has come back. */
  nearCallLanded(sinceMs: number, tookMs: number | undefined): void {
    this.#wakings += 1;
    this.#nowMs = Math.max(this.#nowMs, sinceMs + (tookMs ?? 0));
  }
}
