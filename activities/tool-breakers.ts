/**
 * Circuit breakers: a service that fails call after call is left alone for a while, so that all the
 * runs of a worker do not queue up in front of it.
 *
 * 1. One per tool and worker process; tools that only compute have none.
 * 2. Only failures that say the service is ill count: timeouts, errors that the tool did not choose,
 *    and its own that it calls passing. Any other answer is a sign of life.
 * 3. The last attempt of a call is never refused, nor one after which no other would fit into the
 *    call's time. So no call fails that would have succeeded: its attempts only come later.
 */
import { CircuitState, circuitBreaker, ConsecutiveBreaker, handleWhenResult } from 'cockatiel';
import { limits } from '../contracts/limits.ts';
import type { Tool } from '../definitions/internal.ts';
import type { Log } from './dependencies.ts';
import type { ToolOutcome } from './tool-outcome.ts';

export interface Breaker {
  /** Milliseconds until the service may be tried again; 0 where it may now. */
  refusesForMs(): number;
  /** Carries an attempt out and learns from it. Ask `refusesForMs` first. */
  watch(attempt: () => Promise<ToolOutcome>): Promise<ToolOutcome>;
}

export interface ToolBreakers {
  /** The same for a tool wherever it is offered; undefined for tools that call no service. */
  of(tool: Tool): Breaker | undefined;
}

interface BreakerNumbers {
  readonly failuresMax: number;
  readonly openMs: number;
  readonly probeMs: number;
}

const numbersDefault: BreakerNumbers = {
  failuresMax: limits.breakerFailuresMax,
  openMs: limits.breakerOpenMs,
  probeMs: limits.breakerProbeMs,
};

export function createToolBreakers(
  log: Log,
  numbers: BreakerNumbers = numbersDefault,
): ToolBreakers {
  const breakers = new Map<Tool, Breaker>();
  return {
    of(tool) {
      if (tool.data.effect === 'none') return undefined;
      const known = breakers.get(tool) ?? createBreaker(tool.name, log, numbers);
      breakers.set(tool, known);
      return known;
    },
  };
}

/** The outcome says nothing of the service: the call was halted or cancelled. */
class Unsaid extends Error {
  readonly outcome: ToolOutcome;
  constructor(outcome: ToolOutcome) {
    super('the attempt says nothing of its service');
    this.outcome = outcome;
  }
}

function createBreaker(tool: string, log: Log, numbers: BreakerNumbers): Breaker {
  const { failuresMax, openMs, probeMs } = numbers;
  let openedAtMs = 0;
  const policy = circuitBreaker(
    // A probe that says nothing leaves the circuit open: `Unsaid` is thrown only where it is closed.
    handleWhenResult(
      (outcome) => isIll(outcome as ToolOutcome) || isUnsaid(outcome as ToolOutcome),
    ),
    { breaker: new ConsecutiveBreaker(failuresMax), halfOpenAfter: openMs },
  );
  policy.onBreak(() => {
    openedAtMs = Date.now();
    log.warn('The circuit of a tool is open: its service is left alone.', { tool, openMs });
  });
  policy.onReset(() => log.info('The circuit of a tool is closed again.', { tool }));
  return {
    refusesForMs() {
      switch (policy.state) {
        case CircuitState.Open:
          return Math.max(0, openedAtMs + openMs - Date.now());
        // One call is trying the service; an effect's claim does not let the others wait here.
        case CircuitState.HalfOpen:
          return probeMs;
        case CircuitState.Closed:
        case CircuitState.Isolated:
          return 0;
        default:
          return policy.state satisfies never;
      }
    },
    async watch(attempt) {
      try {
        return await policy.execute(async () => {
          const outcome = await attempt();
          if (isUnsaid(outcome) && policy.state === CircuitState.Closed) throw new Unsaid(outcome);
          return outcome;
        });
      } catch (error) {
        if (error instanceof Unsaid) return error.outcome;
        throw error;
      }
    },
  };
}

const isUnsaid = (outcome: ToolOutcome): boolean =>
  outcome.kind === 'halted' || (outcome.kind === 'failed' && outcome.service === 'unsaid');

const isIll = (outcome: ToolOutcome): boolean =>
  outcome.kind === 'failed' && outcome.service === 'ill';
