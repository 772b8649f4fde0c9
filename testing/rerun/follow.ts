/**
 * The part of a rerun that goes where its recording went.
 *
 * A replay of the histories on today's workflow code says which calls were started with which state, in
 * the recorded order: people's words, failures, time-outs, halts and continue-as-new included. So there
 * is no second loop that could go another way. What never reached a history is made anew here and held
 * against the recording: every prompt's bytes, what today's code makes of every reply, and the output.
 */
import type { Stopped } from '../../activities/deciding/short-circuit.ts';
import { shortCircuit } from '../../activities/stop-before-call.ts';
import type { Judgement } from '../../activities/judge-reply.ts';
import type { ModelResponse } from '../../activities/models/model-client.ts';
import type { CallModelOutput, Spent } from '../../contracts/agent-run.ts';
import type { Position } from '../../contracts/positions.ts';
import { afterModelReply } from '../../rules/transitions.ts';
import { isGiven, type RunState } from '../../rules/run-state.ts';
import type { Launch, Replied } from '../replay/strict-replay.ts';
import { compareDecisions } from './compare-decisions.ts';
import { callLive } from './live-models.ts';
import { mayRunLive, runToolLive, toolOf } from './live-tool.ts';
import { recordedReply } from './recorded-reply.ts';
import type { RecordedTools } from './recorded-tools.ts';
import type { RerunPrompt } from './rerun-transcript.ts';
import { type Rerunning, RerunStopped } from './rerunning.ts';
import { todaysModelIndex } from './todays-tier.ts';

/** What a replay of the run told, in order. */
export type ReplayedMoment =
  | ({ readonly kind: 'launched' } & Launch)
  | ({ readonly kind: 'replied' } & Replied);

/** Undefined where the recording was followed to its end; else the state from which the rerun goes its own way. */
export async function follow(
  rerun: Rerunning,
  moments: readonly ReplayedMoment[],
  tools: RecordedTools,
): Promise<RunState | undefined> {
  let hasBegun = false;
  /** What came of the newest reply that the run took. */
  let before: RunState | undefined;
  for (const [index, moment] of moments.entries()) {
    if (moment.kind === 'replied') continue;
    const { state, position } = moment;
    rerun.settings.signal.throwIfAborted();
    if (state.calls.some((call) => call.position === position)) {
      await followTool(rerun, state, position, tools);
      continue;
    }
    const { chain, length } = rerun.transcript;
    // Elsewhere in the transcript than it came to: its first call, or one after a reset.
    const isElsewhere = length !== state.transcript.length || chain !== state.transcript.chain;
    if (!hasBegun || isElsewhere) await rerun.begin(state.transcript);
    hasBegun = true;
    const next = moments[index + 1];
    const replied = next?.kind === 'replied' && next.position === position ? next : undefined;
    const parted = await followModel(rerun, state, position, { before, after: replied?.state });
    if (parted !== undefined) return parted;
    before = replied?.state ?? before;
  }
  return undefined;
}

async function followModel(
  rerun: Rerunning,
  state: RunState,
  position: Position,
  {
    before,
    after,
  }: { readonly before: RunState | undefined; readonly after: RunState | undefined },
): Promise<RunState | undefined> {
  const { recorded, today, settings } = rerun;
  const model = today.model(await todaysModelIndex(rerun, state, position, before));
  const entries = state.entries.map((entry) => rerun.message(entry));
  const prompt = rerun.transcript.prompt(model, entries);
  const sent = rerun.sentAt(position);
  const isSame = sent?.promptHash === undefined || sent.promptHash === prompt.hash;
  if (settings.mode === 'live-after' && (!isSame || rerun.isBehind(position))) rerun.isLive = true;
  // What a fork was given was no model's word: no model is asked for it again.
  const row = recorded.calls.get(position);
  const answer = row?.answer as CallModelOutput | undefined;
  // One that was rejected is no part of the transcript: the history's next state shows nothing of it.
  const isAnswered = after !== undefined || answer?.kind === 'rejected';
  const stop = isAnswered ? await rerun.stopBefore(state, position, entries) : undefined;
  const stoppedThen = recorded.attemptsAt(position).at(-1)?.finishReason === shortCircuit;
  const isNewlyAsked = stoppedThen && stop === undefined;
  if (isNewlyAsked && settings.mode !== 'strict') rerun.isLive = true;
  const isLive = rerun.isLive && isAnswered && stop === undefined && !isGiven(state, position);
  rerun.noteCall(position, prompt, sent, !isAnswered ? 'history' : isLive ? 'live' : 'recording');
  if (settings.mode === 'strict' && !isSame)
    throw new RerunStopped({
      position,
      what: 'model call',
      because: 'The recording holds no reply to this prompt.',
    });
  if (settings.mode === 'strict' && isNewlyAsked)
    throw new RerunStopped({
      position,
      what: 'model call',
      because:
        'Then `stopWhen` ended the run before this call; today it does not, and the recording holds no reply.',
    });
  if (!isAnswered) {
    rerun.countRecorded(position);
    return undefined;
  }
  const found =
    stop === undefined
      ? isLive
        ? await liveReply(rerun, state, prompt, position)
        : recordedReplyAt(rerun, position, { prompt, after })
      : stoppedReply(rerun, position, stop);
  const own: Judgement =
    stop === undefined
      ? await rerun.judge(found.response, { state, position, model })
      : { kind: 'final', text: stop.text };
  const difference =
    answer === undefined ? undefined : compareDecisions(position, answer, own, row?.output);
  const { response, judged } =
    difference === undefined && isLive && answer !== undefined
      ? underRecordedIds(found.response, own, answer)
      : { response: found.response, judged: own };
  const reply = { response, judged, cost: found.cost };
  const output = rerun.accept(position, { model, entries }, reply);
  if (after !== undefined) rerun.steps = after.step;
  if (difference === undefined) return undefined;
  rerun.decision = difference;
  return afterModelReply({ ...state, input: today.input(state.input) }, position, output);
}

/**
 * The same calls under the ids that they had then: a provider names calls as it likes, and a name is no
 * difference between prompts.
 */
function underRecordedIds(
  response: ModelResponse,
  judged: Judgement,
  answer: CallModelOutput,
): { readonly response: ModelResponse; readonly judged: Judgement } {
  if (judged.kind !== 'calls' || answer.kind !== 'calls') return { response, judged };
  const named = <Call extends { readonly id: string }>(call: Call, index: number): Call => ({
    ...call,
    id: answer.calls[index]?.id ?? call.id,
  });
  return {
    response: { ...response, toolCalls: response.toolCalls.map(named) },
    judged: { ...judged, calls: judged.calls.map(named) },
  };
}

interface FoundReply {
  readonly response: ModelResponse;
  readonly cost: Spent;
}

/** The reply as it was received, checked against what the history says of it. */
function recordedReplyAt(
  rerun: Rerunning,
  position: Position,
  { prompt, after }: { readonly prompt: RerunPrompt; readonly after: RunState | undefined },
): FoundReply {
  const { recorded, transcript } = rerun;
  const message = recorded.calls.get(position)?.fragment;
  const damaged = (because: string): RerunStopped =>
    new RerunStopped({ position, what: 'recording', because });
  if (message === undefined)
    throw damaged('The recording does not hold the reply that the history names.');
  if (after !== undefined && transcript.headWith(prompt, message) !== after.transcript.head)
    throw damaged('The recorded reply is not the one that the history names: it was changed.');
  const attempts = recorded.attemptsAt(position);
  const attempt = attempts.findLast(({ outcome }) => outcome === 'ok') ?? attempts.at(-1);
  rerun.countRecorded(position);
  return {
    response: recordedReply(message, attempt),
    cost: {
      costMicroUsd: attempt?.costMicroUsd ?? 0,
      tokens: (attempt?.inputTokens ?? 0) + (attempt?.outputTokens ?? 0),
    },
  };
}

/** The run ends before the call: nothing is asked, and what was paid there then is counted. */
function stoppedReply(rerun: Rerunning, position: Position, { fragment }: Stopped): FoundReply {
  rerun.countRecorded(position);
  return {
    response: recordedReply(fragment, undefined),
    cost: { costMicroUsd: 0, tokens: 0 },
  };
}

async function liveReply(
  rerun: Rerunning,
  state: RunState,
  prompt: RerunPrompt,
  position: Position,
): Promise<FoundReply> {
  rerun.checkCeiling(state, position);
  const live = await callLive(await rerun.settings.models(), prompt, state.input.modelTimeoutMs);
  rerun.countLive(live.costMicroUsd, live.tokens);
  if (live.kind === 'reply')
    return {
      response: live.response,
      cost: { costMicroUsd: live.costMicroUsd, tokens: live.tokens },
    };
  throw new RerunStopped({
    position,
    what: 'model call',
    because: `The live call of \`${prompt.model}\` failed: ${live.failure.type}: ${live.failure.message}`,
  });
}

async function followTool(
  rerun: Rerunning,
  state: RunState,
  position: Position,
  tools: RecordedTools,
): Promise<void> {
  const { recorded, today, settings } = rerun;
  const call = state.calls.find((candidate) => candidate.position === position);
  if (call === undefined) return;
  const { proposed, instead, edited } = call;
  tools.markTaken(position);
  rerun.countRecorded(position);
  const row = recorded.calls.get(position);
  if (
    row?.kind === 'tool' &&
    (row.name !== proposed.tool || row.requestHash !== proposed.argumentsHash)
  )
    throw new RerunStopped({
      position,
      what: 'recording',
      tool: proposed.tool,
      because: `The recording holds the result of another call there: of \`${row.name}\` with arguments ${row.requestHash}.`,
    });
  if (settings.mode === 'strict' || !settings.live.has(proposed.tool)) return;
  if (rerun.made.has(position) || !mayRunLive(toolOf(today, proposed.tool))) return;
  const ran = await runToolLive(
    today,
    {
      run: recorded.run,
      position,
      id: proposed.id,
      tool: proposed.tool,
      argumentsHash: proposed.argumentsHash,
      arguments: rerun.argumentsOf(proposed),
      customer: recorded.customer,
      ...(instead === undefined ? {} : { instead }),
      ...(edited === undefined ? {} : { edited }),
    },
    settings,
  );
  rerun.countLive(ran.costMicroUsd, 0);
  rerun.made.set(position, ran.message);
}
