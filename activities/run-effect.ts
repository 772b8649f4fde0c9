/**
 * One attempt of a tool call that changes something outside.
 *
 * 1. It runs only behind a claim that has committed; a claim that finds an earlier attempt of
 *    unknown outcome is decided by `repeat` (design: `docs/failures.md`).
 * 2. Only `NotDone` says that nothing happened. Every other failure leaves the outcome unknown.
 * 3. A halt does not abort an effect that has begun: its outcome is recorded instead.
 * 4. An attempt that was overtaken changes nothing; what it learned is journalled.
 * 5. An attempt's time runs from when its claim was asked for: others go by the claim's own send
 *    deadline, so a worker that hears of its claim after that, because it was frozen, sends nothing.
 */
import { ApplicationFailure } from '@temporalio/common';
import { type RunToolOutput, toolErrorCode } from '../contracts/agent-run.ts';
import { failureType, invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { untilStored } from '../storage/database.ts';
import { addToolCost } from '../storage/costs.ts';
import { hasUnsettledAttempt } from '../storage/earlier-attempts.ts';
import { type ClaimedCall, runUnknown } from '../storage/ledger.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { contextOf, executeTool } from './execute-tool.ts';
import { judgeEffect } from './judge-effect.ts';
import { eventOf, nextDelayMs, retryLater, wayOut } from './tool-attempt.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';
import { verifyEffect } from './verify-effect.ts';
import { toolCost } from './tool-cost.ts';
import { checkOutput, type ToolOutcome } from './tool-outcome.ts';
import { exhausted, failedResult, okResult } from './tool-result.ts';

export async function runEffect(
  deps: ActivityDependencies,
  atHand: ToolCallAtHand,
): Promise<RunToolOutput> {
  const claimed = await claim(deps, atHand, false);
  if (claimed.verdict === 'unknown' && atHand.tool.verify !== undefined)
    return verifyThenRun(deps, atHand, claimed);
  return carryOut(deps, atHand, claimed);
}

interface Claim extends ClaimedCall {
  readonly askedMs: number;
  /** A verification has just said what became of the attempts before. */
  readonly verified: boolean;
}

const timeoutOf = ({ bounds, input }: ToolCallAtHand): number =>
  Math.max(1, bounds?.timeoutMs ?? input.timeoutMs);

async function claim(
  deps: ActivityDependencies,
  atHand: ToolCallAtHand,
  verified: boolean,
): Promise<Claim> {
  const { call, input, tool } = atHand;
  const { repeat, keyValidMs } = tool.data;
  invariant(repeat !== undefined, 'a write says how it may be repeated');
  const askedMs = Date.now();
  const claimed = await deps.ledger.claimCall({
    run: call.run,
    position: input.position,
    token: call.token,
    tool: input.tool,
    requestHash: input.argumentsHash,
    repeat,
    keyValidMs: keyValidMs ?? 0,
    sendMs: timeoutOf(atHand),
    ...(input.again === undefined ? {} : { again: input.again }),
    verified,
  });
  return { ...claimed, askedMs, verified };
}

async function carryOut(
  deps: ActivityDependencies,
  atHand: ToolCallAtHand,
  claimed: Claim,
): Promise<RunToolOutput> {
  const input = atHand.inputHash;
  switch (claimed.verdict) {
    case 'claimed':
      return attemptEffect(deps, atHand, claimed);
    case 'finished':
      invariant(claimed.answer !== null, 'a finished call has an answer');
      return claimed.answer;
    case 'conflict':
      return { kind: 'conflict', input };
    case 'halted':
      return { kind: 'halted', input, reason: claimed.detail ?? '' };
    case 'unknown':
      return {
        kind: 'unknown',
        input,
        detail: claimed.detail ?? '',
        attempts: claimed.attempt,
      };
    case 'wait':
      throw later(atHand, claimed.wait_ms ?? limits.toolMsDefault);
    case 'no-run':
      throw runUnknown(atHand.call.run);
    default:
      return claimed.verdict satisfies never;
  }
}

async function attemptEffect(
  deps: ActivityDependencies,
  atHand: ToolCallAtHand,
  claimed: Claim,
): Promise<RunToolOutput> {
  const { call, input } = atHand;
  const began = performance.now();
  const settled = input.attemptsBefore ?? 0;
  const made = claimed.attempt - settled;
  const leftMs = claimed.askedMs + timeoutOf(atHand) - Date.now();
  const outcome =
    leftMs <= 0
      ? heardTooLate
      : await executeTool(deps, atHand, {
          attempt: claimed.attempt,
          made,
          timeoutMs: leftMs,
          // No `stop`: an effect that has begun is recorded, not abandoned.
          ...(claimed.customer ? { customer: claimed.customer } : {}),
        });
  const { state, next, delayMs } = await judgeEffect(atHand, outcome, {
    delayMs: nextDelayMs(atHand, outcome, made),
    hasUnsettled: async () =>
      !claimed.verified &&
      (await hasUnsettledAttempt(deps.database, {
        runNo: claimed.run_no,
        position: input.position,
        before: claimed.attempt,
        settled,
      })),
  });
  const result =
    state !== 'done'
      ? undefined
      : outcome.kind === 'ok'
        ? okResult(atHand, outcome)
        : outcome.kind === 'failed'
          ? failedResult(atHand, outcome, claimed.attempt)
          : undefined;
  const closed = await untilStored(
    () =>
      deps.ledger.closeCall({
        runNo: claimed.run_no,
        position: input.position,
        attempt: claimed.attempt,
        token: call.token,
        state,
        outcome: outcome.kind === 'ok' ? 'ok' : state === 'unknown' ? 'unknown' : 'failed',
        ...(outcome.kind === 'failed'
          ? { code: outcome.code, detail: outcome.detail, retryable: outcome.retryable }
          : {}),
        latencyMs: performance.now() - began,
        costMicroUsd: outcome.costMicroUsd,
        ...(result === undefined ? {} : { result }),
        event: eventOf(input.tool, outcome, performance.now() - began, next),
      }),
    { deadlineMs: Date.now() + limits.storageHoldMsMax },
  );
  if (closed.verdict === 'late') {
    await countCost(deps, atHand, claimed, outcome.costMicroUsd);
    if (closed.answer !== null) return closed.answer;
    throw later(atHand, 1_000);
  }
  if (result !== undefined) {
    deps.transcripts.keepFragment(result.fragmentHash, result.fragment);
    return result.answer;
  }
  if (delayMs !== undefined)
    throw retryLater(atHand, outcome.kind === 'failed' ? outcome.code : '', delayMs);
  if (state === 'open' && outcome.kind === 'failed')
    return exhausted(atHand, outcome, claimed.attempt);
  return {
    kind: 'unknown',
    input: atHand.inputHash,
    detail: unknownDetail(claimed.attempt, outcome),
    attempts: claimed.attempt,
  };
}

function unknownDetail(attempt: number, outcome: ToolOutcome): string {
  if (outcome.kind !== 'failed' || outcome.happened !== true)
    return `Attempt ${attempt} ended without an answer that says whether it happened (${outcome.kind === 'failed' ? outcome.code : outcome.kind}).`;
  return `${outcome.message} (${outcome.code})`;
}

/** Asks the tool what became of the earlier attempt; only "not done" lets it run again. */
async function verifyThenRun(
  deps: ActivityDependencies,
  atHand: ToolCallAtHand,
  claimed: ClaimedCall,
): Promise<RunToolOutput> {
  const { call, input } = atHand;
  const began = performance.now();
  const cost = toolCost(input.tool);
  const context = contextOf(deps, atHand, {
    attempt: claimed.attempt,
    signal: AbortSignal.timeout(input.timeoutMs),
    cost,
    ...(claimed.customer ? { customer: claimed.customer } : {}),
  });
  const verified = await verifyEffect(atHand, context);
  await countCost(deps, atHand, claimed, cost.microUsd());
  if (verified.done === 'unknown')
    return {
      kind: 'unknown',
      input: atHand.inputHash,
      detail: `${claimed.detail ?? ''} ${verified.because}`.trim(),
      attempts: claimed.attempt,
    };
  const made = claimed.attempt - (input.attemptsBefore ?? 0);
  const endsAtMs = atHand.bounds?.endsAtMs ?? Number.POSITIVE_INFINITY;
  const isLast = made >= input.attemptsMax || Date.now() >= endsAtMs;
  if (!verified.done && !isLast) return carryOut(deps, atHand, await claim(deps, atHand, true));
  const outcome = verified.done
    ? await checkOutput(atHand, verified.output, 0)
    : notDone(claimed.attempt);
  if (verified.done && outcome.kind === 'failed' && input.waysOut === true)
    return {
      kind: 'unknown',
      input: atHand.inputHash,
      detail: unknownDetail(claimed.attempt, outcome),
      attempts: claimed.attempt,
    };
  const goesOut = !verified.done && input.waysOut === true;
  const result = goesOut
    ? undefined
    : outcome.kind === 'ok'
      ? okResult(atHand, outcome)
      : failedResult(atHand, outcome, claimed.attempt);
  const closed = await untilStored(
    () =>
      deps.ledger.closeCall({
        runNo: claimed.run_no,
        position: input.position,
        attempt: claimed.attempt,
        token: call.token,
        state: goesOut ? 'open' : 'done',
        outcome: outcome.kind === 'ok' ? 'ok' : 'failed',
        ...(outcome.kind === 'failed' ? { code: outcome.code } : {}),
        detail: 'verified',
        latencyMs: performance.now() - began,
        costMicroUsd: 0,
        ...(result === undefined ? {} : { result }),
        event: eventOf(
          input.tool,
          outcome,
          performance.now() - began,
          goesOut ? wayOut(atHand) : 'verify',
        ),
      }),
    { deadlineMs: Date.now() + limits.storageHoldMsMax },
  );
  if (closed.verdict === 'late') {
    if (closed.answer !== null) return closed.answer;
    throw later(atHand, 1_000);
  }
  if (result !== undefined) return result.answer;
  invariant(outcome.kind === 'failed', 'only what failed goes to the next way out');
  return exhausted(atHand, outcome, claimed.attempt);
}

/** Of an attempt that is in the journal already: one that was overtaken, or that a verification was about. */
async function countCost(
  { database }: Pick<ActivityDependencies, 'database'>,
  { input }: ToolCallAtHand,
  { run_no: runNo, attempt }: Pick<ClaimedCall, 'run_no' | 'attempt'>,
  microUsd: number,
): Promise<void> {
  if (microUsd > 0)
    await untilStored(
      () => addToolCost(database, { runNo, position: input.position, attempt, microUsd }),
      { deadlineMs: Date.now() + limits.storageHoldMsMax },
    );
}

const notDone = (attempts: number): Extract<ToolOutcome, { readonly kind: 'failed' }> => ({
  kind: 'failed',
  code: toolErrorCode.notDone,
  message: `It was tried ${attempts} times, and the tool's own verification found that it did not happen.`,
  retryable: false,
  nothingHappened: true,
  timedOut: false,
  detail: 'verified',
  costMicroUsd: 0,
});

const heardTooLate: Extract<ToolOutcome, { readonly kind: 'failed' }> = {
  kind: 'failed',
  code: toolErrorCode.notDone,
  message: 'It was not sent: the time to send it was over before its worker could.',
  retryable: true,
  nothingHappened: true,
  timedOut: false,
  notSent: true,
  detail: 'The claim was heard of after its send deadline.',
  costMicroUsd: 0,
};

/** An earlier attempt may still be on its way: come back when its time is over. */
const later = (atHand: ToolCallAtHand, delayMs: number): ApplicationFailure =>
  ApplicationFailure.create({
    type: failureType.attemptOvertaken,
    message: `An earlier attempt holds position ${atHand.input.position}.`,
    nextRetryDelay: delayMs,
  });
