/**
 * A model call of an agent that keeps replies: looked up before anything is reserved or claimed.
 *
 * 1. What is given again is recorded as any reply: claimed, judged by today's code, appended, journalled, closed.
 *    It reserves and costs nothing, so that it is given under a budget that is used up.
 * 2. Of equal calls at the same time one is made, and the others wait for it. They hold nothing meanwhile.
 * 3. Only a reply that was accepted is kept: no refusal, nothing that was cut, no call that can never run.
 */
import type { CallModelInput, CallModelOutput } from '../contracts/agent-run.ts';
import type { CachePolicy } from '../contracts/definitions.ts';
import { stepOf } from '../contracts/positions.ts';
import type { AnyAgent } from '../definitions/internal.ts';
import { cacheScope } from '../rules/cache-scope.ts';
import { equalCallWaitMs } from '../rules/equal-call-wait.ts';
import { readReply } from '../rules/render-message.ts';
import type { EntryContent, KeptEntry, WantedEntry } from '../storage/cache.ts';
import type { StoredDefinition } from '../storage/definitions.ts';
import type { ActivityCall } from './activity-call.ts';
import { claimUnasked, nothing } from './claim-of-model-call.ts';
import type { CacheLease, Taken } from './call-cache.ts';
import { problemIn, takeReply, tierOf } from './deciding/take-reply.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { HaltedSignal, InterruptedSignal } from './in-flight.ts';
import type { Judgement } from './judge-reply.ts';
import { answerBefore, modelAnswer } from './model-answer.ts';
import type { ModelResponse } from './models/model-client.ts';
import type { PreparedPrompt } from './prepare-prompt.ts';
import { recordReply } from './record-reply.ts';
import { closePrompt, withMessages } from './transcript-cache.ts';

export interface CachedCall {
  readonly call: ActivityCall;
  readonly input: CallModelInput;
  readonly agent: AnyAgent;
  readonly definition: StoredDefinition;
  readonly prompt: PreparedPrompt;
  readonly policy: CachePolicy;
  /** The run's parsed input, where the agent's functions look at it. */
  readonly given: unknown;
}

/** @param make  Asks the model as ever; what it accepts it gives to `keep`. */
export async function throughCache(
  deps: ActivityDependencies,
  cached: CachedCall,
  make: (keep: CacheLease['keep']) => Promise<CallModelOutput>,
): Promise<CallModelOutput> {
  const { call, input, prompt } = cached;
  const began = performance.now();
  await prompt.load();
  const wanted = wantedBy(cached);
  const taken = await takeEntry(deps, cached, wanted);
  if ('output' in taken) return taken.output;
  if (taken.kind === 'make') return makeAndKeep(taken.lease, make);
  const given = await giveKept(deps, cached, taken.entry, began);
  if (given !== undefined) return given;
  // Of no use to this agent as it is now: its own takes the place of it.
  deps.log.debug('a kept reply was not accepted', { run: call.run, position: input.position });
  return makeAndKeep(deps.cache.replace(wanted), make);
}

async function makeAndKeep(
  lease: CacheLease,
  make: (keep: CacheLease['keep']) => Promise<CallModelOutput>,
): Promise<CallModelOutput> {
  try {
    return await make(lease.keep);
  } finally {
    // However it ended: who waits must not wait for a lease that nobody holds.
    await lease.release();
  }
}

function wantedBy({ call, input, agent, prompt, policy }: CachedCall): WantedEntry {
  return {
    kind: 'prompt',
    scope: cacheScope(policy, input),
    // The body holds the model, every parameter, the tools and all messages.
    key: closePrompt(prompt.open()).hash,
    agent: agent.name,
    ...(input.customer === undefined ? {} : { customer: input.customer }),
    forMs: policy.forMs,
    run: call.run,
    position: input.position,
  };
}

/** A halt and a message that interrupts end a wait as they end a call. */
async function takeEntry(
  deps: ActivityDependencies,
  { call, input, agent }: CachedCall,
  wanted: WantedEntry,
): Promise<Taken | { readonly output: CallModelOutput }> {
  const flight = deps.inFlight.fly(
    { run: call.run, agent: agent.name, customer: input.customer },
    call.cancelled,
  );
  try {
    return await deps.cache.take(wanted, call.token, {
      signal: flight.signal,
      waitMs: equalCallWaitMs(input.timeoutMs),
    });
  } catch (error) {
    if (error instanceof HaltedSignal) return { output: { kind: 'halted', reason: error.reason } };
    if (error instanceof InterruptedSignal) return { output: { kind: 'interrupted' } };
    throw error;
  } finally {
    flight.land();
  }
}

/** Undefined where it would not be accepted, or where nothing may be claimed: the ordinary way says why. */
async function giveKept(
  deps: ActivityDependencies,
  { call, input, agent, definition, prompt, given }: CachedCall,
  entry: KeptEntry,
  began: number,
): Promise<CallModelOutput | undefined> {
  const { body: fragment, about } = entry;
  const reply = { ...readReply(fragment), finishReason: about.finishReason ?? 'unknown' };
  const taken = await takeReply(agent, definition.frozen, reply, {
    step: stepOf(input.position),
    model: input.model,
    mayRaise: input.mayRaise === true,
    input: given,
  });
  const { judged, shortCircuit } = taken;
  if (!isAccepted(judged, reply)) return undefined;
  const { opened, deadlineMs } = await claimUnasked(deps, call, { input, prompt });
  const known = answerBefore(opened, call.run);
  if (known !== undefined) return known;
  if (opened.verdict !== 'claimed') return undefined;
  const tier = tierOf(definition.frozen, input.model);
  const { answer, transcript } = await recordReply(deps, {
    call,
    input,
    opened,
    prompt,
    judged,
    fragment,
    // Of the very same prompt.
    tokens: about.tokens,
    cost: nothing,
    answer: (head) => modelAnswer(judged, head, nothing),
    detail: 'The reply was kept: no model was asked.',
    journal: {
      prompt_hash: closePrompt(prompt.open()).hash,
      prompt_bytes: prompt.bytes,
      prompt_head: prompt.headHash,
      latency_ms: Math.round(performance.now() - began),
      model: about.model ?? null,
      finish_reason: about.finishReason ?? null,
      tier: tier ?? null,
      choice: choiceOf(entry),
      saved: { cache: entry.costMicroUsd },
    },
    event: {
      ...(tier === undefined ? {} : { tier }),
      ...(input.choice === undefined ? {} : { because: input.choice }),
      ...(shortCircuit === undefined ? {} : { shortCircuit }),
      ...problemIn(taken),
      inputTokens: 0,
      outputTokens: 0,
      latencyMs: Math.round(performance.now() - began),
      cached: true,
    },
    deadlineMs,
  });
  if (transcript !== undefined)
    prompt.keep(withMessages(prompt.open(), [fragment]), transcript.head);
  return answer;
}

/** For the journal: whose call it was. */
export const choiceOf = ({ run, position, madeAt }: KeptEntry): string =>
  `cache: run ${run}, position ${position}, ${madeAt.toISOString()}`;

/** Whether a reply may be given to others too. */
export function isAccepted(
  judged: Judgement,
  reply: Pick<ModelResponse, 'finishReason' | 'refusal'>,
): boolean {
  if (reply.refusal !== undefined || notWhole.has(reply.finishReason)) return false;
  return (
    judged.kind === 'final' ||
    (judged.kind === 'calls' && judged.calls.every(({ error }) => error === undefined))
  );
}

const notWhole = new Set(['length', 'content_filter']);

/** What is kept of a reply, or undefined where it is not for others. */
export function keptReply(made: {
  readonly answer: CallModelOutput;
  readonly judged: Judgement;
  readonly reply: ModelResponse;
  readonly fragment: string;
  readonly costMicroUsd: number;
}): EntryContent | undefined {
  const { answer, judged, reply, fragment, costMicroUsd } = made;
  // A reply that was billed above its ceiling stops its run, whatever it says.
  if (answer.kind === 'stopped' || !isAccepted(judged, reply)) return undefined;
  return {
    body: fragment,
    about: {
      model: reply.model,
      finishReason: reply.finishReason,
      ...(reply.usage === undefined
        ? {}
        : { tokens: reply.usage.inputTokens + reply.usage.outputTokens }),
    },
    costMicroUsd,
  };
}
