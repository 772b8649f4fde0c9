/** Runs a tool's own function once, within its time, and says how it went. Never throws. */
import { heartbeat } from '@temporalio/activity';
import { toolErrorCode } from '../contracts/agent-run.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { idempotencyKey } from '../contracts/positions.ts';
import type { ToolContext } from '../definitions/internal.ts';
import { type AttemptBounds, delayBeforeNext, isTooLate } from './attempt-bounds.ts';
import { startAttemptClock } from './attempt-clock.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { describeIssues } from './describe-issues.ts';
import { following } from './following.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';
import { type ToolCost, toolCost } from './tool-cost.ts';
import { checkOutput, describeFailure, failed, type ToolOutcome } from './tool-outcome.ts';

export type { ToolOutcome };

export interface ToolAttempt {
  readonly attempt: number;
  /** Of them since a human last had a word; default: all. */
  readonly made?: number;
  /** What is left of the attempt's time. Default: all that the call has. */
  readonly timeoutMs?: number;
  /** Ends the attempt. Absent for an effect: one that has begun is recorded, not abandoned. */
  readonly stop?: AbortSignal;
  readonly customer?: string;
}

export async function executeTool(
  deps: ActivityDependencies,
  atHand: ToolCallAtHand,
  attempt: ToolAttempt,
): Promise<ToolOutcome> {
  const { tool, input, bounds, breaker } = atHand;
  if (bounds !== undefined && isTooLate(bounds, Date.now())) return tooLate(bounds);
  const timeoutMs = attempt.timeoutMs ?? bounds?.timeoutMs ?? input.timeoutMs;
  const heartbeatMs = bounds?.policy.heartbeatMs;
  const { controller, unfollow } = following(attempt.stop);
  const { signal } = controller;
  const clock = startAttemptClock(controller, { timeoutMs, heartbeatMs });
  const cost = toolCost(tool.name);
  const context = contextOf(deps, atHand, { ...attempt, signal, beat: clock.beat, cost });
  const failure = (error: unknown): ToolOutcome =>
    describeFailure(error, {
      endedBy: clock.endedBy(),
      timeoutMs,
      heartbeatMs,
      moves: input.moves === true,
      stopped: attempt.stop?.aborted === true,
      notRetried: bounds?.policy.notRetried ?? [],
      costMicroUsd: cost.microUsd(),
    });
  try {
    const parsed = await tool.input.safeParseAsync(atHand.arguments);
    if (!parsed.success)
      return failed(cost.microUsd(), {
        code: toolErrorCode.badArguments,
        message: `The arguments do not fit: ${describeIssues(parsed.error)}`,
        nothingHappened: true,
      });
    const once = async (): Promise<ToolOutcome> => {
      try {
        // A tool that ignores its signal must not hold the call: whichever comes first counts.
        const value = await Promise.race([
          (async () => tool.run(parsed.data, context))(),
          whenAborted(signal),
        ]);
        return await checkOutput(atHand, value, cost.microUsd());
      } catch (error) {
        return failure(error);
      }
    };
    if (breaker === undefined || bounds === undefined) return await once();
    const forMs = breaker.refusesForMs();
    if (forMs === 0) return await breaker.watch(once);
    const delayMs = delayBeforeNext(bounds, attempt.made ?? attempt.attempt, {
      ms: Date.now(),
      random: Math.random(),
      atLeastMs: forMs,
    });
    // A last attempt goes out all the same: the circuit spares a service, it fails no call.
    return delayMs === undefined ? await once() : refused(tool.name, delayMs);
  } catch (error) {
    return failure(error);
  } finally {
    clock.stop();
    // Whatever the tool left running is told that nobody waits for it.
    unfollow();
    controller.abort(attemptOver);
  }
}

const tooLate = ({ policy }: AttemptBounds): ToolOutcome => ({
  ...failed(0, {
    code: toolErrorCode.timeout,
    message: `The ${policy.totalMs} ms that all attempts have together are over.`,
    nothingHappened: true,
  }),
  retryable: true,
  notSent: true,
});

const refused = (tool: string, delayMs: number): ToolOutcome => ({
  ...failed(0, {
    code: toolErrorCode.unavailable,
    message: `The service of tool ${tool} failed call after call, and is left alone for a while; nothing was sent.`,
    nothingHappened: true,
  }),
  retryable: true,
  notSent: true,
  refusedForMs: delayMs,
});

/** One for all attempts: a stack of its own would cost more than a short tool. */
const attemptOver = new Error('the attempt is over');

export function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => {
      reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

export function contextOf(
  deps: ActivityDependencies,
  atHand: ToolCallAtHand,
  attempt: Pick<ToolAttempt, 'attempt' | 'customer'> & {
    readonly signal: AbortSignal;
    readonly cost: ToolCost;
    readonly beat?: () => void;
  },
): ToolContext {
  const { call, input } = atHand;
  const { customer, signal } = attempt;
  const about = {
    run: call.run,
    position: input.position,
    attempt: attempt.attempt,
    tool: input.tool,
    ...(customer === undefined ? {} : { customer }),
  };
  const line =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void =>
      deps.log[level](message, { ...fields, ...about });
  return {
    run: call.run,
    position: input.position,
    attempt: attempt.attempt,
    ...(customer === undefined ? {} : { customer }),
    idempotencyKey: idempotencyKey(call.run, input.position),
    signal,
    log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
    secret(name) {
      const value = deps.secrets(name);
      if (value !== undefined) return value;
      throw new BelayerError(
        failureType.settingsRejected,
        `Tool \`${input.tool}\` asks for the secret \`${name}\`, which this worker's environment does not have. Set the environment variable ${name}.`,
      );
    },
    heartbeat() {
      attempt.beat?.();
      heartbeat();
    },
    cost: (usd) => attempt.cost.add(usd),
  };
}
