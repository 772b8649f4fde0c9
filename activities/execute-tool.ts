/** Runs a tool's own function once, within its time, and says how it went. Never throws. */
import { heartbeat } from '@temporalio/activity';
import { toolErrorCode } from '../contracts/agent-run.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { idempotencyKey } from '../contracts/positions.ts';
import { isNotDone, isToolError, toMicroUsd, type ToolContext } from '../definitions/internal.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { describeIssues } from './describe-issues.ts';
import { following } from './following.ts';
import { HaltedSignal } from './in-flight.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';

export type ToolOutcome =
  | {
      readonly kind: 'ok';
      /** JSON text of the result, as the model may see it. A string result is its own text. */
      readonly text: string;
      readonly costMicroUsd: number;
    }
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly hint?: string;
      readonly retryable: boolean;
      /** For an effect: the tool's author is certain that nothing happened. */
      readonly nothingHappened: boolean;
      /** For an effect: it happened, and only its answer is unusable. */
      readonly happened?: true;
      readonly timedOut: boolean;
      /** For the journal. */
      readonly detail: string;
      readonly costMicroUsd: number;
    }
  | { readonly kind: 'halted'; readonly reason: string; readonly costMicroUsd: number };

export interface ToolAttempt {
  readonly attempt: number;
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
  const { tool, input } = atHand;
  const { controller, unfollow } = following(attempt.stop);
  const { signal } = controller;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = !signal.aborted;
    controller.abort(new Error(`timed out after ${input.timeoutMs} ms`));
  }, attempt.timeoutMs ?? input.timeoutMs);
  let costMicroUsd = 0;
  const context = contextOf(deps, atHand, {
    ...attempt,
    signal,
    addCost: (microUsd) => {
      costMicroUsd += microUsd;
    },
  });
  try {
    const parsed = await tool.input.safeParseAsync(atHand.arguments);
    if (!parsed.success)
      return failed(costMicroUsd, {
        code: toolErrorCode.badArguments,
        message: `The arguments do not fit: ${describeIssues(parsed.error)}`,
        nothingHappened: true,
      });
    // A tool that ignores its signal must not hold the call: whichever comes first counts.
    const value = await Promise.race([
      (async () => tool.run(parsed.data, context))(),
      whenAborted(signal),
    ]);
    return await checkOutput(atHand, value, costMicroUsd);
  } catch (error) {
    return describeFailure(error, { timedOut, input, costMicroUsd });
  } finally {
    clearTimeout(timer);
    // Whatever the tool left running is told that nobody waits for it.
    unfollow();
    controller.abort(attemptOver);
  }
}

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

/** What a tool answered, as the model may see it, or why it cannot be used. It has happened. */
export async function checkOutput(
  atHand: ToolCallAtHand,
  value: unknown,
  costMicroUsd: number,
): Promise<Exclude<ToolOutcome, { readonly kind: 'halted' }>> {
  const { tool } = atHand;
  const effect = tool.data.effect === 'write';
  let kept = value;
  if (tool.output !== undefined) {
    const parsed = await tool.output.safeParseAsync(value);
    if (!parsed.success)
      return failed(costMicroUsd, {
        code: toolErrorCode.badOutput,
        message: `The tool answered with something that does not fit its output schema: ${describeIssues(parsed.error)}`,
        happened: true,
      });
    kept = parsed.data;
  } else if (value === undefined && !effect)
    return failed(costMicroUsd, {
      code: toolErrorCode.emptyOutput,
      message: 'The tool answered with nothing where content is expected.',
      happened: true,
    });
  const text = toText(kept);
  if (text === undefined)
    return failed(costMicroUsd, {
      code: toolErrorCode.badOutput,
      message: 'The tool answered with something that JSON cannot carry.',
      happened: true,
    });
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.toolResultBytesMax)
    return failed(costMicroUsd, {
      code: toolErrorCode.resultTooLarge,
      message: `The result has ${bytes} bytes; at most ${limits.toolResultBytesMax} are kept.`,
      hint: 'Ask for less at a time.',
      happened: true,
    });
  return { kind: 'ok', text, costMicroUsd };
}

/** A string is its own text; anything else its JSON. Undefined where it has none: functions, bigint, cycles. */
function toText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  try {
    return JSON.stringify(value ?? null);
  } catch {
    return undefined;
  }
}

function failed(
  costMicroUsd: number,
  failure: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
    readonly nothingHappened?: true;
    readonly happened?: true;
  },
): Extract<ToolOutcome, { readonly kind: 'failed' }> {
  return {
    kind: 'failed',
    retryable: false,
    timedOut: false,
    detail: failure.message,
    costMicroUsd,
    ...failure,
    nothingHappened: failure.nothingHappened ?? false,
  };
}

function describeFailure(
  error: unknown,
  attempt: {
    readonly timedOut: boolean;
    readonly input: { readonly timeoutMs: number };
    readonly costMicroUsd: number;
  },
): ToolOutcome {
  const { costMicroUsd } = attempt;
  if (error instanceof HaltedSignal) return { kind: 'halted', reason: error.reason, costMicroUsd };
  const message = cut(error instanceof Error ? error.message : String(error));
  if (attempt.timedOut)
    return {
      kind: 'failed',
      code: toolErrorCode.timeout,
      message: `The tool did not answer within ${attempt.input.timeoutMs} ms.`,
      retryable: true,
      nothingHappened: false,
      timedOut: true,
      detail: message,
      costMicroUsd,
    };
  if (isNotDone(error) || isToolError(error))
    return {
      kind: 'failed',
      code: error.code,
      message,
      ...(error.hint === undefined ? {} : { hint: cut(error.hint) }),
      retryable: error.retryable,
      nothingHappened: isNotDone(error),
      timedOut: false,
      detail: message,
      costMicroUsd,
    };
  return {
    kind: 'failed',
    code: toolErrorCode.failed,
    message,
    // An error that the tool did not choose may be a passing one.
    retryable: true,
    nothingHappened: false,
    timedOut: false,
    detail: cut(error instanceof Error ? (error.stack ?? message) : message),
    costMicroUsd,
  };
}

const cut = (text: string): string =>
  text.length <= limits.toolErrorCharsMax ? text : `${text.slice(0, limits.toolErrorCharsMax)} ...`;

export function contextOf(
  deps: ActivityDependencies,
  atHand: ToolCallAtHand,
  attempt: Pick<ToolAttempt, 'attempt' | 'customer'> & {
    readonly signal: AbortSignal;
    readonly addCost: (microUsd: number) => void;
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
    heartbeat: () => heartbeat(),
    cost: (usd) => attempt.addCost(toMicroUsd(usd)),
  };
}
