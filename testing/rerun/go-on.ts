/**
 * The part of a rerun behind its first other decision: no history says any more what comes next.
 *
 * The same rules decide as in a real run. What is asked for is found by content: a tool's result by tool and
 * arguments, a decision by what it was about; what people said is said at the same step. One thing
 * happens after the other, on a clock that moves only where something is waited for.
 */
import type { ModelResponse } from '../../activities/models/model-client.ts';
import { callOf } from '../../activities/propose-fallback.ts';
import type {
  CallModelOutput,
  ProposedCall,
  RunOutcome,
  Spent,
} from '../../contracts/agent-run.ts';
import { limits } from '../../contracts/limits.ts';
import type { Position } from '../../contracts/positions.ts';
import { decideNextStep, type NextStep } from '../../rules/decide-next-step.ts';
import { type CallState, callAt, isGiven, originOf, type RunState } from '../../rules/run-state.ts';
import { modelIndexNow } from '../../rules/choose-model.ts';
import * as change from '../../rules/transitions.ts';
import { compareDecisions } from './compare-decisions.ts';
import { callLive } from './live-models.ts';
import { toolOf } from './live-tool.ts';
import { recordedReply } from './recorded-reply.ts';
import { closeRequest, openRequest } from './recorded-decisions.ts';
import type { RecordedRequests, RecordedTools } from './recorded-tools.ts';
import { type Rerunning, RerunStopped } from './rerunning.ts';
import { resultOf } from './results-by-content.ts';
import type { Unheard } from './unheard-words.ts';

export interface Ahead {
  readonly tools: RecordedTools;
  readonly requests: RecordedRequests;
  readonly words: Unheard;
}

/** Undefined where the recording holds nothing that would go on: the run had not ended there. */
export async function goOn(
  rerun: Rerunning,
  from: RunState,
  ahead: Ahead,
): Promise<RunOutcome | undefined> {
  let state = from;
  let nowMs = Math.max(from.startedAtMs, from.workingSinceMs ?? 0);
  for (let decisions = 1; decisions <= limits.rerunDecisionsMax; decisions += 1) {
    rerun.settings.signal.throwIfAborted();
    rerun.steps = state.step;
    state = ahead.words.hear(state, 'between calls');
    const step = decideNextStep(state, nowMs);
    switch (step.kind) {
      case 'end':
        return step.outcome;
      case 'wait': {
        const heard = ahead.words.hearNext(state);
        if (heard !== undefined) state = heard;
        else if (step.untilMs === undefined || !rerun.recorded.hasEnded) return undefined;
        else nowMs = Math.max(nowMs + 1, step.untilMs);
        break;
      }
      case 'route':
        state = change.afterRouted(state, await rerun.route(step.position, step.facts));
        break;
      case 'call-model':
        state = await callModel(rerun, state, step, ahead.words);
        break;
      case 'run-tools':
        for (const { position } of step.calls) state = await runTool(rerun, state, position, ahead);
        break;
      case 'propose-fallbacks':
        for (const { position } of step.calls)
          state = change.afterFallbackProposed(
            state,
            position,
            await fallbackOf(rerun, callAt(state, position)),
          );
        break;
      case 'open-requests':
        for (const { position } of step.requests)
          state = openRequest(rerun, state, position, { ...ahead, nowMs });
        break;
      case 'close-requests':
        for (const { position } of step.requests) state = closeRequest(rerun, state, position);
        break;
      case 'ask':
      case 'expire-requests':
      case 'escalate-requests':
      case 'raise-flag':
      case 'abort-in-flight':
      case 'interrupt':
      case 'note':
      case 'extend':
      case 'end-turn':
      case 'begin-turn':
      case 'end-session':
      case 'stop':
      case 'continue-as-new':
        state = recordOnly(state, step, nowMs);
        break;
      default:
        step satisfies never;
    }
  }
  throw new Error(
    `A rerun of ${rerun.recorded.run} came to no end in ${limits.rerunDecisionsMax} decisions.`,
  );
}

type RecordOnly = Exclude<
  NextStep,
  {
    readonly kind:
      | 'end'
      | 'wait'
      | 'route'
      | 'call-model'
      | 'run-tools'
      | 'propose-fallbacks'
      | 'open-requests'
      | 'close-requests';
  }
>;

/** What a real run writes down, and a rerun only remembers. */
function recordOnly(state: RunState, step: RecordOnly, nowMs: number): RunState {
  switch (step.kind) {
    case 'ask':
      return change.afterAsking(state);
    case 'expire-requests':
      return change.afterSilence(state, nowMs);
    case 'escalate-requests':
      return step.requests.reduce(
        (before, { position }) => change.afterEscalated(before, position),
        state,
      );
    case 'raise-flag':
      return change.afterFlagRaised(state);
    case 'abort-in-flight':
      return change.afterAbort(state);
    case 'interrupt':
      return change.afterInterrupt(state);
    case 'note':
      return change.afterNoted(state);
    case 'extend':
      return change.afterExtended(state);
    case 'end-turn':
      return change.afterTurnEnded(state, nowMs);
    case 'begin-turn':
      return change.afterTurnBegun(state, nowMs);
    case 'end-session':
      return change.afterIdle(state);
    case 'stop':
      return step.because === 'halted'
        ? change.afterStop(state, step.because, step.detail)
        : change.afterLimit(state, step.because, step.detail);
    case 'continue-as-new':
      // Only an execution does that: there is none here.
      return { ...state, historyLong: false };
    default:
      return step satisfies never;
  }
}

async function callModel(
  rerun: Rerunning,
  before: RunState,
  step: Extract<NextStep, { readonly kind: 'call-model' }>,
  words: Unheard,
): Promise<RunState> {
  const { position } = step;
  const model = rerun.today.model(modelIndexNow(before));
  const entries = step.entries.map((entry) => rerun.message(entry));
  const state = words.hear(change.afterModelStarted(before, position), 'during a call');
  // A halt or an interrupt ends the call: what it would have said was never heard.
  if (state.halt !== undefined) return change.afterAborted(state, position);
  if (state.interrupt === 'wanted')
    return change.afterAborted(change.afterInterrupt(state), position);
  const prompt = rerun.transcript.prompt(model, entries);
  const stop = await rerun.stopBefore(state, position, entries);
  if (stop !== undefined) {
    const cost = { costMicroUsd: 0, tokens: 0 };
    const response = recordedReply(stop.fragment, undefined);
    const judged = { kind: 'final', text: stop.text } as const;
    rerun.noteCall(position, prompt, undefined, 'recording');
    return change.afterModelReply(
      state,
      position,
      rerun.accept(position, { model, entries }, { response, judged, cost }),
    );
  }
  if (rerun.isBehind(position)) rerun.isLive = true;
  // What a fork was given was no model's word, and stays given as long as the fork is the same.
  const given =
    rerun.decision === undefined && isGiven(before, position)
      ? rerun.givenReplyAt(position)
      : undefined;
  const again = given ?? (rerun.isLive ? undefined : rerun.recordedReplyTo(prompt));
  const isStrict = rerun.settings.mode === 'strict';
  if (again === undefined && !isStrict) rerun.isLive = true;
  // Until a decision is another, the recorded call of the same position is the one to be held against.
  const isSameSoFar = rerun.decision === undefined;
  const sent = again?.attempt ?? (isSameSoFar ? rerun.sentAt(position) : undefined);
  const row = again?.row ?? (isSameSoFar ? rerun.recorded.calls.get(position) : undefined);
  const source = again === undefined && !isStrict ? 'live' : 'recording';
  rerun.noteCall(position, prompt, sent, source);
  const take = async (response: ModelResponse, cost: Spent): Promise<RunState> => {
    const judged = await rerun.judge(response, { state, position, model });
    if (row?.answer !== undefined)
      rerun.decision ??= compareDecisions(
        position,
        row.answer as CallModelOutput,
        judged,
        row.output,
      );
    const output = rerun.accept(position, { model, entries }, { response, judged, cost });
    return change.afterModelReply(state, position, output);
  };
  if (again !== undefined) return take(again.response, again.cost);
  if (isStrict)
    throw new RerunStopped({
      position,
      what: 'model call',
      because: 'The recording holds no reply to this prompt.',
    });
  rerun.checkCeiling(state, position);
  const live = await callLive(await rerun.settings.models(), prompt, state.input.modelTimeoutMs);
  rerun.countLive(live.costMicroUsd, live.tokens);
  if (live.kind === 'failed') return change.afterModelFailure(state, position, live.failure);
  return take(live.response, { costMicroUsd: live.costMicroUsd, tokens: live.tokens });
}

async function runTool(
  rerun: Rerunning,
  before: RunState,
  position: Position,
  { tools }: Ahead,
): Promise<RunState> {
  const state = change.afterToolStarted(before, position);
  const call = callAt(state, position);
  const found = await resultOf(rerun, call, tools);
  if (found.kind === 'refused') return change.afterToolRefused(state, position, found.error);
  return change.afterToolResult(state, position, found.output);
}

async function fallbackOf(rerun: Rerunning, call: CallState): Promise<ProposedCall> {
  const { proposed, position } = originOf(call);
  const failed = toolOf(rerun.today, proposed.tool);
  const next = failed?.fallbacks?.[call.fallbacksTried ?? 0];
  if (failed === undefined || next === undefined)
    throw new RerunStopped({
      position,
      what: 'application',
      tool: proposed.tool,
      because: `Today's tool \`${proposed.tool}\` has no such fallback.`,
    });
  const written = rerun.argumentsOf(proposed);
  const made = await callOf(failed, next, { id: proposed.id, written });
  rerun.keepArguments(made.text);
  return made.call;
}
