/**
 * The human of the chaos runs. Approvals it answers by the scenario. Of an unknown outcome it looks
 * at the service's own books: what did not happen may run again, what did may not.
 */
import type { RequestRow } from '../../client/index.ts';
import type { World } from '../support/world.ts';
import type { PaymentService } from './payment-service.ts';
import type { Scenario } from './scenario.ts';

export interface Decision {
  readonly run: string;
  readonly position: string;
  readonly kind: RequestRow['kind'];
  readonly verdict: 'approved' | 'denied';
  /** How often money had moved when it was looked up. */
  readonly moved: number;
}

export interface Human {
  readonly decisions: readonly Decision[];
  stop(): Promise<void>;
}

/** `7.2` of `7.2/unknown-3`. */
export const callOf = (position: string): string => position.split('/')[0] ?? '';

export function startHuman(
  world: World,
  service: PaymentService,
  scenarioOf: (run: string) => Scenario | undefined,
  onAsked: (scenario: Scenario, step: number) => void,
): Human {
  const decisions: Decision[] = [];
  const busy = new Set<string>();
  const decided = new Set<string>();
  let stopped = false;

  function verdictOn(
    request: RequestRow,
  ): { verdict: 'approved' | 'denied'; moved: number } | undefined {
    const book = service.books.get(`${request.run}/${callOf(request.position)}`);
    const moved = book?.moved ?? 0;
    if (request.kind === 'approval') {
      const says = scenarioOf(request.run)?.approval;
      if (says === undefined || says === 'silence') return undefined;
      return { verdict: says === 'approve' ? 'approved' : 'denied', moved };
    }
    // The service is still at it: a careful human looks again.
    if (book?.arrivals.some(({ acted }) => acted === 'pending')) return undefined;
    return { verdict: moved > 0 ? 'denied' : 'approved', moved };
  }

  async function answer(request: RequestRow): Promise<void> {
    const id = `${request.run} ${request.position}`;
    const judged = busy.has(id) || decided.has(id) ? undefined : verdictOn(request);
    if (judged === undefined) return;
    busy.add(id);
    try {
      const run = await world.belayer.run(request.run);
      await (judged.verdict === 'approved'
        ? run.approve(request.position)
        : run.deny(request.position));
      decided.add(id);
      decisions.push({
        run: request.run,
        position: request.position,
        kind: request.kind,
        ...judged,
      });
    } catch {
      // No worker, no server, or decided meanwhile: the next look at the inbox says which.
    } finally {
      busy.delete(id);
    }
  }

  const loop = async (): Promise<void> => {
    while (!stopped) {
      const inbox = await world.belayer.inbox({ limit: 1_000 }).catch(() => []);
      for (const request of inbox) {
        const scenario = scenarioOf(request.run);
        if (scenario !== undefined) onAsked(scenario, Number.parseInt(request.position, 10));
        void answer(request);
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  };
  const looping = loop();
  return {
    decisions,
    async stop() {
      stopped = true;
      await looping;
    },
  };
}
