/**
 * One attempt of one model call: claim it, send the prompt, judge the reply, record it.
 *
 * 1. Nothing is sent before the claim has committed, with the attempt's worst case reserved.
 * 2. What is sent is what is hashed and what can be read back: stored fragments, in order.
 * 3. A position that holds a finished reply to the same prompt gives it again, at no cost.
 * 4. A reply that cannot be written yet is held, heartbeating, until it can be or its time is over.
 */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type {
  CallModelInput,
  CallModelOutput,
  Spent,
  StopReason,
  TranscriptHead,
} from '../contracts/agent-run.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { stepOf } from '../contracts/positions.ts';
import { limits } from '../contracts/limits.ts';
import { degradedChoice } from '../rules/choose-model.ts';
import { assistantMessage } from '../rules/render-message.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { untilStored } from '../storage/database.ts';
import type { AnyAgent } from '../definitions/internal.ts';
import type { StoredDefinition } from '../storage/definitions.ts';
import { sha256 } from '../storage/hash.ts';
import { rejectedBefore } from '../storage/rejected-before.ts';
import type { OpenedModelCall } from '../storage/ledger.ts';
import { type ActivityCall, asActivity, nearTime } from './activity-call.ts';
import { cheaperModel } from './cheaper-model.ts';
import { requireFunctions } from './deciding/call-function.ts';
import { routingSaved } from './deciding/savings.ts';
import {
  needsInput,
  problemIn,
  takeReply,
  type TakenReply,
  tierOf,
} from './deciding/take-reply.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findAgent } from './find-code.ts';
import type { CacheLease } from './call-cache.ts';
import { claimOfModelCall } from './claim-of-model-call.ts';
import { keptReply, throughCache } from './cached-reply.ts';
import { type FlightEntry, HaltedSignal, InterruptedSignal } from './in-flight.ts';
import { giveReply } from './give-reply.ts';
import type { Judgement } from './judge-reply.ts';
import { answerBefore, modelAnswer } from './model-answer.ts';
import type { ModelResponse } from './models/model-client.ts';
import { ModelFailure } from './models/model-failure.ts';
import type { ModelUsage } from './models/model-usage.ts';
import { overBudget, refusingBudget, untilRoom, type WantedOfBudget } from './over-budget.ts';
import { costMicroUsd, type Price, priceNote, worstCaseMicroUsd } from './models/prices.ts';
import { type PreparedPrompt, preparePrompt } from './prepare-prompt.ts';
import { recordReply } from './record-reply.ts';
import { runInput } from './run-input.ts';
import { shortCircuit, stopBeforeCall } from './stop-before-call.ts';
import { streamDeltas } from './stream-deltas.ts';
import { refusingThrottle, throttled, untilTurn } from './throttled.ts';
import { closePrompt, withMessages } from './transcript-cache.ts';

export function createCallModel(deps: ActivityDependencies) {
  return asActivity(deps.worker, async (input: CallModelInput, call): Promise<CallModelOutput> => {
    const began = performance.now();
    const output =
      input.given === true
        ? await giveReply(deps, call, input)
        : await attemptModelCall(deps, call, input);
    // Markers of local activities hold no input, so the result names it.
    return input.near === true
      ? { ...output, ...nearTime(began), input: sha256(canonicalJson(input)) }
      : output;
  });
}

interface Attempt {
  readonly call: ActivityCall;
  readonly input: CallModelInput;
  readonly definition: StoredDefinition;
  readonly agent: AnyAgent;
  readonly price: Price;
  readonly prompt: PreparedPrompt;
  /** The run's parsed input, where functions of the agent look at replies. */
  readonly given: unknown;
  readonly opened: OpenedModelCall;
  readonly reservedMicroUsd: number;
  readonly reservedTokens: number;
  /** After this moment, in milliseconds since the epoch, the attempt is not waited for any more. */
  readonly deadlineMs: number;
  /** Of an agent with a cache: takes what may be given to equal calls. */
  readonly keep: CacheLease['keep'] | undefined;
}

async function attemptModelCall(
  deps: ActivityDependencies,
  call: ActivityCall,
  input: CallModelInput,
): Promise<CallModelOutput> {
  const definition = await deps.definitionOf(input.definition);
  // A worker without the agent's code could not judge the reply: it must not pay for one.
  const agent = findAgent(deps, definition);
  requireFunctions(agent, definition.frozen);
  const price = deps.priceOf(input.model);
  if (price === undefined)
    throw ApplicationFailure.create({
      type: failureType.modelUnpriced,
      message: `Model \`${input.model}\` has no price, and a model without a price is not assumed free. Add it to the file named by BELAYER_PRICES.`,
      nonRetryable: true,
    });
  const prompt = await preparePrompt(deps, call.run, input, definition);
  const given = needsInput(definition.frozen)
    ? await runInput(deps, call.run, input.transcript.chain, agent)
    : undefined;
  const stopped = await stopBeforeCall(deps, call, { input, definition, agent, prompt, given });
  if (stopped !== undefined) return stopped;
  const made = { call, input, definition, agent, price, prompt, given };
  const policy = definition.frozen.cache;
  return policy === undefined
    ? openAndSend(deps, { ...made, keep: undefined })
    : throughCache(deps, { ...made, policy }, (keep) => openAndSend(deps, { ...made, keep }));
}

async function openAndSend(
  deps: ActivityDependencies,
  made: Omit<Attempt, 'opened' | 'reservedMicroUsd' | 'reservedTokens' | 'deadlineMs'>,
): Promise<CallModelOutput> {
  const { call, input, definition, price, prompt } = made;
  const { models } = definition.frozen;
  const behind = models.indexOf(input.model) + 1;
  const wait = await deps.providers.turn({
    model: input.model,
    run: call.run,
    position: input.position,
    cancelled: call.cancelled,
    next: behind > 0 && behind < models.length ? behind : undefined,
  });
  if (wait !== undefined) return wait;
  // A near call holds its workflow task: a database that is gone is then for the platform's retry.
  const deadlineMs =
    Date.now() + input.timeoutMs + (input.near === true ? 0 : limits.storageHoldMsMax);
  const { opened, reservedMicroUsd, reservedTokens } = await open(deps, call, {
    input,
    definition,
    price,
    prompt,
  });
  const known = answerBefore(opened, call.run);
  if (known !== undefined) return known;
  const throttle = refusingThrottle(opened);
  if (throttle !== undefined) return throttled(throttle);
  if (opened.verdict === 'budget') {
    const rejected =
      refusingBudget(opened)?.policy === 'degrade'
        ? await rejectedBefore(deps.database, call.run, input.position)
        : [];
    return budgetStop(opened, {
      reservedMicroUsd,
      reservedTokens,
      cheaper: () =>
        cheaperModel(
          definition.frozen,
          {
            model: input.model,
            price,
            bounds: {
              promptTokensMax: prompt.bytes,
              outputTokensMax: definition.frozen.limits.outputTokens,
            },
          },
          deps.priceOf,
          rejected,
        ),
    });
  }
  prompt.complete(opened.fragments);
  const attempt: Attempt = { ...made, opened, reservedMicroUsd, reservedTokens, deadlineMs };
  const flight = deps.inFlight.fly(
    {
      run: call.run,
      agent: definition.frozen.name,
      customer: input.customer,
    },
    call.cancelled,
  );
  flight.watched = opened.watched;
  try {
    return await send(deps, attempt, flight);
  } finally {
    flight.land();
  }
}

/**
 * Reserves by an upper bound that costs nothing to compute; only where that does not fit any more
 * are the tokens counted, and the claim tried again.
 */
async function open(
  deps: ActivityDependencies,
  call: ActivityCall,
  wanted: Pick<Attempt, 'input' | 'definition' | 'price' | 'prompt'>,
) {
  const { input, definition, price, prompt } = wanted;
  const { outputTokens, contextTokens } = definition.frozen.limits;
  const reserveOnce = async (promptTokensMax: number, wantFrom: number | undefined) => {
    const reservedTokens = promptTokensMax + outputTokens;
    const reservedMicroUsd = worstCaseMicroUsd(price, {
      promptTokensMax,
      outputTokensMax: outputTokens,
    });
    const claim = {
      ...claimOfModelCall(call, wanted),
      reserveMicroUsd: reservedMicroUsd,
      reserveTokens: reservedTokens,
      ...(wantFrom === undefined ? {} : { wantFrom }),
    };
    // Held here, a database that restarts costs no attempt and is noticed within seconds. The same
    // token asks again, so a claim whose commit was not heard of is found, not given up.
    const opened = await untilStored(() => deps.ledger.openModelCall(claim), {
      deadlineMs: input.near === true ? 0 : Date.now() + limits.storageHoldMsMax / 2,
      signal: call.cancelled,
    });
    return { opened, reservedMicroUsd, reservedTokens };
  };
  const reserve = async (promptTokensMax: number, wantFrom: number | undefined) => {
    const first = await reserveOnce(promptTokensMax, wantFrom);
    return untilTurn(first, () => reserveOnce(promptTokensMax, wantFrom), call.cancelled);
  };
  const patience = {
    forMs: input.near === true ? limits.budgetCrowdedNearMsMax : limits.budgetCrowdedMsMax,
    cancelled: call.cancelled,
  };
  if (prompt.tokensMax <= contextTokens) {
    const first = await reserve(prompt.tokensMax, prompt.wantFrom);
    if (first.opened.verdict !== 'budget') return first;
    if (!prompt.canCount)
      return untilRoom(first, () => reserve(prompt.tokensMax, prompt.wantFrom), patience);
  }
  const tokens = await prompt.countTokens();
  if (tokens > contextTokens) return { ...contextFull(tokens, contextTokens), ...nothingReserved };
  const tightest = () => reserve(prompt.canCount ? tokens : prompt.tokensMax, prompt.wantFrom);
  return untilRoom(await tightest(), tightest, patience);
}

const nothingReserved = { reservedMicroUsd: 0, reservedTokens: 0 };

function contextFull(tokens: number, max: number): { opened: OpenedModelCall } {
  return {
    opened: {
      verdict: 'budget',
      run_no: 0,
      attempt: 0,
      watched: false,
      answer: null,
      detail: `The prompt has about ${tokens} tokens; its limit \`contextTokens\` is ${max}.`,
      fragments: null,
    },
  };
}

function budgetStop(opened: OpenedModelCall, wanted: WantedOfBudget): CallModelOutput {
  if (opened.detail !== null)
    return { kind: 'stopped', because: 'context-full', detail: opened.detail };
  const refusing = refusingBudget(opened);
  if (refusing !== undefined) return overBudget(refusing, wanted);
  const left = opened.answer as { readonly microUsdLeft: number; readonly tokensLeft: number };
  const because: StopReason =
    left.microUsdLeft < wanted.reservedMicroUsd ? 'cost-limit' : 'token-limit';
  const detail =
    because === 'cost-limit'
      ? `The next call may cost ${wanted.reservedMicroUsd} micro-dollars; ${left.microUsdLeft} are left under the run's ceiling.`
      : `The next call may use ${wanted.reservedTokens} tokens; ${left.tokensLeft} are left under the run's ceiling.`;
  return { kind: 'stopped', because, detail };
}

async function send(
  deps: ActivityDependencies,
  attempt: Attempt,
  flight: FlightEntry,
): Promise<CallModelOutput> {
  const { input, call, opened } = attempt;
  const { body, hash } = closePrompt(attempt.prompt.open());
  const journal = {
    prompt_hash: hash,
    prompt_bytes: attempt.prompt.bytes,
    prompt_head: attempt.prompt.headHash,
    chain: input.transcript.chain,
    length: attempt.prompt.after.length,
  };
  const deltas = streamDeltas(deps.database, flight, {
    run: call.run,
    runNo: opened.run_no,
    position: input.position,
    attempt: opened.attempt,
  });
  const startedAt = performance.now();
  deps.providers.sent(input.model);
  let reply: ModelResponse;
  try {
    reply = await deps.models.call({
      body,
      model: input.model,
      signal: flight.signal,
      idleMs: Math.min(limits.modelStreamIdleMs, input.timeoutMs),
      timeoutMs: input.timeoutMs,
      onDelta: (text) => deltas.push(text),
    });
  } catch (error) {
    const latencyMs = performance.now() - startedAt;
    if (error instanceof ModelFailure && error.type === failureType.modelRateLimited)
      // Before the attempt ends, so that its next try finds its model slowed.
      await deps.providers.refused({
        model: input.model,
        call: `${call.run}/${input.position}`,
        agoMs: latencyMs,
        retryAfterMs: error.retryAfterMs ?? 0,
      });
    return await closeFailed(deps, attempt, error, {
      ...journal,
      latency_ms: Math.round(latencyMs),
    });
  } finally {
    deltas.end();
  }
  return closeReplied(deps, attempt, reply, journal);
}

async function closeReplied(
  deps: ActivityDependencies,
  attempt: Attempt,
  reply: ModelResponse,
  journal: Readonly<Record<string, unknown>>,
): Promise<CallModelOutput> {
  const { call, input, opened, prompt, deadlineMs, definition } = attempt;
  const { usage } = reply;
  let taken: TakenReply;
  try {
    taken = await takeReply(attempt.agent, definition.frozen, reply, {
      step: stepOf(input.position),
      model: input.model,
      mayRaise: input.mayRaise === true,
      input: attempt.given,
    });
  } catch (error) {
    if (!(error instanceof BelayerError) || error.type !== failureType.functionFailed) throw error;
    return closeFailed(deps, attempt, functionFailure(error, reply), journal);
  }
  const { judged } = taken;
  const fragment = assistantMessage(reply);
  const chosen = choiceOf(attempt);
  const cost = settledCost(attempt, usage);
  const { answer, transcript } = await recordReply(deps, {
    call,
    input,
    opened,
    prompt,
    judged,
    fragment,
    tokens: usage === undefined ? undefined : usage.inputTokens + usage.outputTokens,
    cost,
    answer: (head) => toOutput(judged, head, cost, attempt),
    journal: {
      ...journal,
      latency_ms: Math.round(reply.latencyMs),
      first_token_ms: reply.firstTokenMs === undefined ? null : Math.round(reply.firstTokenMs),
      model: reply.model,
      finish_reason: reply.finishReason,
      input_tokens: usage?.inputTokens ?? null,
      cached_tokens: usage?.cachedInputTokens ?? null,
      output_tokens: usage?.outputTokens ?? null,
      reasoning_tokens: usage?.reasoningTokens ?? null,
      price: priceNote(attempt.price),
      request_id: reply.providerRequestId ?? null,
      ...chosen.journal,
      ...savedBy(deps, attempt, { taken, usage, cost }),
    },
    event: {
      ...chosen.event,
      ...(taken.shortCircuit === undefined ? {} : { shortCircuit: taken.shortCircuit }),
      ...problemIn(taken),
      inputTokens: usage?.inputTokens ?? 0,
      outputTokens: usage?.outputTokens ?? 0,
      latencyMs: Math.round(reply.latencyMs),
    },
    deadlineMs,
  });
  if (transcript !== undefined) {
    prompt.keep(withMessages(prompt.open(), [fragment]), transcript.head);
    const kept = attempt.keep && keptReply({ answer, judged, reply, fragment, ...cost });
    if (kept !== undefined) await attempt.keep?.(kept);
  }
  return answer;
}

/** The reply is there and paid for, and nobody can say what to do with it. */
const functionFailure = ({ type, message }: BelayerError, reply: ModelResponse): ModelFailure =>
  new ModelFailure(message, {
    type,
    retryable: false,
    charge: 'unknown',
    usage: reply.usage,
    contextOverflow: false,
    detail: message,
    providerRequestId: reply.providerRequestId,
  });

/** Of an agent with tiers: which one it was, and why. */
function choiceOf({ input, definition: { frozen } }: Attempt) {
  if (input.choice === undefined) return { journal: {}, event: {} };
  const tier = tierOf(frozen, input.model);
  return {
    journal: { tier: tier ?? null, choice: input.choice },
    event: { ...(tier === undefined ? {} : { tier }), because: input.choice },
  };
}

function savedBy(
  deps: ActivityDependencies,
  { input, definition }: Attempt,
  made: {
    readonly taken: TakenReply;
    readonly usage: ModelUsage | undefined;
    readonly cost: Spent;
  },
) {
  const { taken, usage, cost } = made;
  const routing = routingSaved(
    definition.frozen,
    {
      model: input.model,
      usage,
      costMicroUsd: cost.costMicroUsd,
      isInVain: taken.judged.kind === 'rejected' || taken.judged.kind === 'misfit',
      isForced: input.choice?.startsWith(degradedChoice) === true,
    },
    deps.priceOf,
  );
  // What the calls beside it, and the model behind them, would have cost nobody knows.
  const early = taken.shortCircuit === undefined ? {} : { [shortCircuit]: 0 };
  if (routing === undefined && taken.shortCircuit === undefined) return {};
  return { saved: { ...(routing === undefined ? {} : { routing }), ...early } };
}

function toOutput(
  judged: Judgement,
  transcript: TranscriptHead,
  cost: Spent,
  attempt: Attempt,
): CallModelOutput {
  if (cost.costMicroUsd > attempt.reservedMicroUsd)
    return {
      kind: 'stopped',
      because: 'ceiling-breached',
      detail: `Model \`${attempt.input.model}\` billed ${cost.costMicroUsd} micro-dollars where at most ${attempt.reservedMicroUsd} were possible by its price and the output limit that was sent.`,
    };
  return modelAnswer(judged, transcript, cost);
}

async function closeFailed(
  deps: ActivityDependencies,
  attempt: Attempt,
  error: unknown,
  journal: Readonly<Record<string, unknown>>,
): Promise<CallModelOutput> {
  const { input, opened, call } = attempt;
  const failure = error instanceof ModelFailure ? error : undefined;
  const halted = error instanceof HaltedSignal ? error : undefined;
  // An aborted or broken call may have been worked on: without the provider's word it stays charged.
  const charged =
    failure?.usage !== undefined
      ? settledCost(attempt, failure.usage)
      : failure?.charge === 'nothing'
        ? { costMicroUsd: 0, tokens: 0 }
        : { costMicroUsd: attempt.reservedMicroUsd, tokens: attempt.reservedTokens };
  const type = failure?.type ?? (halted === undefined ? 'Cancelled' : failureType.runHalted);
  await untilStored(
    () =>
      deps.ledger.closeModelCall({
        runNo: opened.run_no,
        position: input.position,
        attempt: opened.attempt,
        token: call.token,
        outcome: failure === undefined ? 'aborted' : 'failed',
        code: type,
        detail: failure?.detail ?? String(error),
        retryable: failure?.retryable ?? false,
        costMicroUsd: charged.costMicroUsd,
        tokens: charged.tokens,
        journal: {
          ...journal,
          ...choiceOf(attempt).journal,
          price: priceNote(attempt.price),
          request_id: failure?.providerRequestId ?? null,
          status: failure?.status ?? null,
          input_tokens: failure?.usage?.inputTokens ?? null,
          output_tokens: failure?.usage?.outputTokens ?? null,
        },
        event: {
          model: input.model,
          attempt: opened.attempt,
          type,
          retryable: failure?.retryable ?? false,
        },
      }),
    { deadlineMs: attempt.deadlineMs },
  );
  if (halted !== undefined) return { kind: 'halted', reason: halted.reason };
  if (error instanceof InterruptedSignal) return { kind: 'interrupted' };
  if (failure === undefined) throw error instanceof CancelledFailure ? error : toCancelled(error);
  throw ApplicationFailure.create({
    type: failure.type,
    message: `${failure.message} (position ${input.position}, attempt ${opened.attempt})`,
    nonRetryable: !failure.retryable,
    ...(failure.retryAfterMs === undefined ? {} : { nextRetryDelay: failure.retryAfterMs }),
  });
}

const toCancelled = (error: unknown): unknown =>
  error instanceof Error && error.name === 'AbortError' ? new CancelledFailure('Cancelled') : error;

/** Without the provider's usage the whole reservation stays charged. */
function settledCost(attempt: Attempt, usage: ModelUsage | undefined): Spent {
  if (usage === undefined)
    return { costMicroUsd: attempt.reservedMicroUsd, tokens: attempt.reservedTokens };
  return {
    costMicroUsd: costMicroUsd(attempt.price, usage),
    tokens: usage.inputTokens + usage.outputTokens,
  };
}

export type CallModel = ReturnType<typeof createCallModel>;
