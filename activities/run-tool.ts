/**
 * One attempt of one tool call.
 *
 * 1. What changes nothing outside runs first and is recorded after, in one statement; the first
 *    recorded result wins, so a call that was executed again gives what the model already saw.
 * 2. An effect is claimed before it runs (`run-effect.ts`).
 * 3. A failure that the model can reason about is a result, not an exception. Exceptions are for the
 *    platform: it tries again.
 */
import { activityInfo } from '@temporalio/activity';
import type { RunToolInput, RunToolOutput } from '../contracts/agent-run.ts';
import type { FrozenAgent } from '../contracts/definitions.ts';
import { invariant } from '../contracts/failures.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { untilStored } from '../storage/database.ts';
import { sha256 } from '../storage/hash.ts';
import { readAnswer } from '../storage/transcript.ts';
import { limits } from '../contracts/limits.ts';
import { type ActivityCall, asActivity, nearTime } from './activity-call.ts';
import { argumentsOf } from './arguments-of.ts';
import { boundsOf } from './attempt-bounds.ts';
import { keptNote, keptOutcome, takeResult } from './cached-read.ts';
import type { Taken } from './call-cache.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { executeTool } from './execute-tool.ts';
import { findAgent, findTool } from './find-code.ts';
import { type FlightEntry, HaltedSignal, InterruptedSignal } from './in-flight.ts';
import { runEffect } from './run-effect.ts';
import { eventOf, isExhausted, nextDelayMs, retryLater, wayOut } from './tool-attempt.ts';
import { exhausted, failedResult, okResult } from './tool-result.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';

export function createRunTool(deps: ActivityDependencies) {
  return asActivity(deps.worker, async (input: RunToolInput, call): Promise<RunToolOutput> => {
    if (input.given === true) return giveResult(deps, call.run, input);
    const atHand = await prepare(deps, call, input);
    if (atHand.tool.data.effect === 'write') return runEffect(deps, atHand);
    const began = performance.now();
    const output = await runRead(deps, atHand);
    return call.isLocal ? { ...output, ...nearTime(began) } : output;
  });
}

/** Of a fork: the result is on record since before the run began. */
async function giveResult(
  deps: ActivityDependencies,
  run: string,
  input: RunToolInput,
): Promise<RunToolOutput> {
  const answer = await readAnswer(deps.database, run, input.position);
  invariant(answer !== undefined, `the result at ${input.position} was given with the fork`);
  return { ...answer, input: sha256(canonicalJson(input)) };
}

async function prepare(
  deps: ActivityDependencies,
  call: ActivityCall,
  input: RunToolInput,
): Promise<ToolCallAtHand> {
  const definition = await deps.definitionOf(input.definition);
  const agent = findAgent(deps, definition);
  const tool = findTool(agent, input.tool);
  const text = await argumentsOf(deps.database, call.run, input);
  const frozen = definition.frozen.tools.find((candidate) => candidate.name === input.tool);
  const { retry } = frozen?.policy ?? tool.data;
  const bounds = boundsOf(
    { ...input, scheduledAtMs: activityInfo().scheduledTimestampMs },
    { retry, ...(frozen?.attempt === undefined ? {} : { attempt: frozen.attempt }) },
    Date.now(),
  );
  const breaker = deps.breakers.of(tool);
  return {
    call,
    input,
    inputHash: sha256(canonicalJson(input)),
    tool,
    agent: agent.name,
    arguments: JSON.parse(text) as unknown,
    resultTokensMax: frozen?.resultTokensMax ?? definition.frozen.limits.toolResultTokens,
    bounds,
    ...(breaker === undefined ? {} : { breaker }),
    ...(frozen?.policy.cache === undefined ? {} : { keptAs: frozen }),
    ...(hasFallbacks(definition.frozen, input) ? { hasFallbacks: true } : {}),
  };
}

/** Whether there are other tools to try: those of this one, or those that come after it in its place. */
function hasFallbacks({ tools }: FrozenAgent, { tool, instead }: RunToolInput): boolean {
  const origin = tools.find((candidate) => candidate.name === (instead?.tool ?? tool));
  return origin?.policy.fallbacks !== undefined && origin.policy.fallbacks.at(-1) !== tool;
}

async function runRead(deps: ActivityDependencies, atHand: ToolCallAtHand): Promise<RunToolOutput> {
  const { call, input, inputHash } = atHand;
  const owner = { run: call.run, agent: atHand.agent, customer: input.customer };
  const stopped = deps.inFlight.stoppedBy(owner);
  if (stopped !== undefined) return { kind: 'halted', input: inputHash, reason: stopped };

  const flight = deps.inFlight.fly(owner, call.cancelled);
  let taken: Taken | undefined;
  try {
    if (atHand.keptAs !== undefined) taken = await takeResult(deps, atHand, flight.signal);
    return await carryOut(deps, atHand, { flight, taken });
  } catch (error) {
    // Of its wait for an equal call.
    if (error instanceof HaltedSignal)
      return { kind: 'halted', input: inputHash, reason: error.reason };
    if (error instanceof InterruptedSignal) return { kind: 'interrupted', input: inputHash };
    throw error;
  } finally {
    flight.land();
    if (taken?.kind === 'make') await taken.lease.release();
  }
}

async function carryOut(
  deps: ActivityDependencies,
  atHand: ToolCallAtHand,
  { flight, taken }: { readonly flight: FlightEntry; readonly taken: Taken | undefined },
): Promise<RunToolOutput> {
  const { call, input, inputHash } = atHand;
  const startedAt = new Date();
  const began = performance.now();
  const kept = taken?.kind === 'hit' ? taken.entry : undefined;
  const outcome =
    kept === undefined
      ? await executeTool(deps, atHand, {
          attempt: call.attempt,
          stop: flight.signal,
          ...(input.customer === undefined ? {} : { customer: input.customer }),
        })
      : keptOutcome(kept);
  flight.land();
  const tookMs = performance.now() - began;
  const note = kept === undefined ? undefined : keptNote(kept);
  if (outcome.kind === 'halted')
    return { kind: 'halted', input: inputHash, reason: outcome.reason };
  // What it would have answered is of no use any more, and a failure was not its own.
  if (outcome.kind === 'failed' && flight.signal.reason instanceof InterruptedSignal)
    return { kind: 'interrupted', input: inputHash };

  const moves = outcome.kind === 'failed' && outcome.timedOut && input.moves === true;
  const delayMs =
    outcome.kind === 'failed' && outcome.retryable && !moves
      ? nextDelayMs(atHand, outcome, call.attempt)
      : undefined;
  const attempts = call.attempt + (input.attemptsBefore ?? 0);
  const goesOut = delayMs === undefined && !moves && isExhausted(atHand, outcome);
  const result =
    moves || delayMs !== undefined || goesOut
      ? undefined
      : outcome.kind === 'ok'
        ? okResult(atHand, outcome)
        : failedResult(atHand, outcome, attempts);
  const next = moves ? 'queue' : goesOut ? wayOut(atHand) : 'retry';
  const recorded = await untilStored(
    () =>
      deps.ledger.recordRead({
        run: call.run,
        position: input.position,
        token: call.token,
        tool: input.tool,
        requestHash: input.argumentsHash,
        startedAt,
        outcome: moves ? 'slow' : outcome.kind,
        ...(outcome.kind === 'failed'
          ? { code: outcome.code, detail: outcome.detail, retryable: outcome.retryable }
          : {}),
        latencyMs: tookMs,
        costMicroUsd: outcome.costMicroUsd,
        ...note?.journal,
        ...(result === undefined ? {} : { result }),
        event: { ...eventOf(input.tool, outcome, tookMs, next), ...note?.event },
      }),
    // A near call holds its workflow task: a database that is gone is for the platform's retry.
    { deadlineMs: call.isLocal ? 0 : Date.now() + limits.storageHoldMsMax },
  );
  if (recorded.verdict === 'conflict') return { kind: 'conflict', input: inputHash };
  if (recorded.verdict === 'finished' && recorded.answer !== null) return recorded.answer;
  if (moves) {
    // The queue goes on with the same call: who waits for it waits on.
    if (taken?.kind === 'make') taken.lease.leave();
    return { kind: 'slow', input: inputHash };
  }
  if (goesOut && outcome.kind === 'failed') return exhausted(atHand, outcome, attempts);
  if (result === undefined)
    throw retryLater(atHand, outcome.kind === 'failed' ? outcome.code : '', delayMs ?? 0);
  deps.transcripts.keepFragment(result.fragmentHash, result.fragment);
  if (taken?.kind === 'make' && outcome.kind === 'ok')
    await taken.lease.keep({
      body: JSON.stringify(outcome.text),
      about: { tookMs: Math.round(tookMs) },
      costMicroUsd: outcome.costMicroUsd,
    });
  return result.answer;
}

export type RunTool = ReturnType<typeof createRunTool>;
