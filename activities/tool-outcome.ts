/** How one attempt of a tool went: what it answered and whether that is usable, or why it failed. */
import { toolErrorCode } from '../contracts/agent-run.ts';
import { BelayerError } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { isNotDone, isToolError } from '../definitions/internal.ts';
import { describeIssues } from './describe-issues.ts';
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
      /** The tool's definition says that this error is not tried again. */
      readonly notAgain?: true;
      /** Set where the attempt says that the service is ill, or nothing at all of it. */
      readonly service?: 'ill' | 'unsaid';
      /** Belayer itself did not begin the attempt: that says nothing of the attempts before. */
      readonly notSent?: true;
      /** The circuit is open, and nothing was sent: when the next attempt is made. */
      readonly refusedForMs?: number;
      /** For the journal. */
      readonly detail: string;
      readonly costMicroUsd: number;
    }
  | { readonly kind: 'halted'; readonly reason: string; readonly costMicroUsd: number };

/** What a tool answered, as the model may see it, or why it cannot be used. It has happened. */
export async function checkOutput(
  atHand: ToolCallAtHand,
  value: unknown,
  costMicroUsd: number,
): Promise<Exclude<ToolOutcome, { readonly kind: 'halted' }>> {
  const { tool } = atHand;
  const effect = tool.data.effect === 'write';
  // The model must not do again what was done: only its answer is missing.
  const unusable = (code: string, message: string, hint?: string) =>
    failed(costMicroUsd, {
      code,
      message: effect ? `It happened, but its answer cannot be used. ${message}` : message,
      ...(effect
        ? { hint: 'It has been done: do not do it again.' }
        : hint === undefined
          ? {}
          : { hint }),
      happened: true,
    });
  let kept = value;
  if (tool.output !== undefined) {
    const parsed = await tool.output.safeParseAsync(value);
    if (!parsed.success)
      return unusable(
        toolErrorCode.badOutput,
        `The tool answered with something that does not fit its output schema: ${describeIssues(parsed.error)}`,
      );
    kept = parsed.data;
  } else if (value === undefined && !effect)
    return unusable(
      toolErrorCode.emptyOutput,
      'The tool answered with nothing where content is expected.',
    );
  const text = toText(kept);
  if (text === undefined)
    return unusable(
      toolErrorCode.badOutput,
      'The tool answered with something that JSON cannot carry.',
    );
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.toolResultBytesMax)
    return unusable(
      toolErrorCode.resultTooLarge,
      `The result has ${bytes} bytes; at most ${limits.toolResultBytesMax} are kept.`,
      'Ask for less at a time.',
    );
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

export function failed(
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

/** @param attempt `endedBy` is set where the attempt's own clock ended it. */
export function describeFailure(
  error: unknown,
  attempt: {
    readonly endedBy: 'timeout' | 'silence' | undefined;
    readonly timeoutMs: number;
    readonly heartbeatMs: number | undefined;
    /** Its time is over, and the queue is next: that says nothing of the service. */
    readonly moves: boolean;
    /** Somebody else ended it. */
    readonly stopped: boolean;
    readonly notRetried: readonly string[];
    readonly costMicroUsd: number;
  },
): ToolOutcome {
  const { costMicroUsd, endedBy } = attempt;
  if (error instanceof HaltedSignal) return { kind: 'halted', reason: error.reason, costMicroUsd };
  const message = cut(error instanceof Error ? error.message : String(error));
  const base = { kind: 'failed', nothingHappened: false, timedOut: false, costMicroUsd } as const;
  if (endedBy !== undefined)
    return {
      ...base,
      code: toolErrorCode.timeout,
      message:
        endedBy === 'timeout'
          ? `The tool did not answer within ${attempt.timeoutMs} ms.`
          : `The tool gave no sign of life for ${attempt.heartbeatMs} ms: it promises one at least that often.`,
      retryable: true,
      timedOut: endedBy === 'timeout',
      service: endedBy === 'timeout' && attempt.moves ? 'unsaid' : 'ill',
      detail: message,
    };
  if (isNotDone(error) || isToolError(error)) {
    const notAgain = attempt.notRetried.includes(error.code);
    return {
      ...base,
      code: error.code,
      message,
      ...(error.hint === undefined ? {} : { hint: cut(error.hint) }),
      retryable: error.retryable && !notAgain,
      nothingHappened: isNotDone(error),
      ...(notAgain ? { notAgain } : {}),
      ...(error.retryable ? { service: 'ill' } : {}),
      detail: message,
    };
  }
  return {
    ...base,
    code: toolErrorCode.failed,
    message,
    // An error that the tool did not choose may be a passing one.
    retryable: true,
    // A missing secret is the worker's fault.
    service: attempt.stopped || error instanceof BelayerError ? 'unsaid' : 'ill',
    detail: cut(error instanceof Error ? withCauses(error) : message),
  };
}

/** What went wrong, with its causes, in the first line; where, in the lines behind it. */
function withCauses(error: Error): string {
  const [first = error.message, ...trace] = (error.stack ?? error.message).split('\n');
  let causes = '';
  for (
    let cause = error.cause, depth = 0;
    cause instanceof Error && depth < causesMax;
    cause = cause.cause, depth += 1
  )
    causes += `, because: ${cause.message}`;
  return [`${first}${causes}`, ...trace].join('\n');
}

/** A cause may be its own. */
const causesMax = 5;

const cut = (text: string): string =>
  text.length <= limits.toolErrorCharsMax ? text : `${text.slice(0, limits.toolErrorCharsMax)} ...`;
