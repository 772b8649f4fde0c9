/** Halts runs at the moments that their scenarios name, and remembers when each halt was accepted. */
import type { Run } from '../../client/index.ts';
import type { HaltMoment, Scenario } from './scenario.ts';

export interface Halt {
  readonly run: string;
  readonly during: HaltMoment;
  readonly askedMs: number;
  /** Absent: the run had ended, or no server took it. */
  acceptedMs?: number;
}

export interface Halter {
  readonly halts: readonly Halt[];
  /** Something happened to a run; its halt is due a while after, if this is what it waits for. */
  saw(scenario: Scenario, step: number, moment: HaltMoment): void;
  /** Resolves when every halt that was due has been answered. */
  settled(): Promise<void>;
}

export function createHalter(runOf: (order: string) => Promise<Run>): Halter {
  const halts: Halt[] = [];
  const due = new Set<string>();
  const underWay = new Set<Promise<void>>();

  async function halt(order: string, during: HaltMoment, afterMs: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    const run = await runOf(order);
    const one: Halt = { run: run.id, during, askedMs: Date.now() };
    halts.push(one);
    await run.halt('chaos', { by: 'halter' }).then(
      () => {
        one.acceptedMs = Date.now();
      },
      // It ended first, or neither store could be reached: the run goes on, as if nobody had asked.
      () => undefined,
    );
  }

  return {
    halts,
    saw({ order, halt: plan }, step, moment) {
      if (plan === undefined || plan.during !== moment || plan.step !== step || due.has(order))
        return;
      due.add(order);
      const one = halt(order, moment, plan.afterMs);
      underWay.add(one);
      void one.finally(() => underWay.delete(one));
    },
    async settled() {
      await Promise.all(underWay);
    },
  };
}
