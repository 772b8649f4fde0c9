/** One rerun while it goes: what it stands on, its transcript, and what is found on the way. */
import { chooseTier } from '../../activities/deciding/choose-tier.ts';
import { askStopWhen, looksBeforeCalls, resultsOf, type Stopped } from '../../activities/deciding/short-circuit.ts'; // prettier-ignore
import { needsInput, takeReply } from '../../activities/deciding/take-reply.ts';
import { judgeReply, type Judgement } from '../../activities/judge-reply.ts';
import { parsedInput } from '../../activities/run-input.ts';
import { type ModelAnswer, modelAnswer } from '../../activities/model-answer.ts';
import type { ModelResponse } from '../../activities/models/model-client.ts';
import type {
  EntryRef,
  Hash,
  Spent,
  ToolErrorNote,
  TranscriptHead,
} from '../../contracts/agent-run.ts';
import { BelayerError } from '../../contracts/failures.ts';
import type { RouteFacts } from '../../contracts/routing.ts';
import { type Position, stepOf, toolPosition } from '../../contracts/positions.ts';
import { assistantMessage, toolErrorMessage, userMessage } from '../../rules/render-message.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { mayRaise } from '../../rules/choose-model.ts';
import { isGiven, type RunState } from '../../rules/run-state.ts';
import { contentOf } from '../../storage/transcript.ts';
import { sha256 } from '../../storage/hash.ts';
import { differingValues } from './differing-values.ts';
import type { LiveModels } from './live-models.ts';
import { recordedReply } from './recorded-reply.ts';
import {
  ownAttempts,
  type RecordedAttempt,
  type RecordedCall,
  type RecordedRequest,
  type RecordedRun,
} from './recorded-run.ts';
import type {
  DecisionDifference,
  PromptDifference,
  RerunCall,
  RerunMode,
  StoppedAt,
  UnmatchedPolicy,
} from './rerun-result.ts';
import { type RerunPrompt, RerunTranscript } from './rerun-transcript.ts';
import type { TodaysAgent } from './todays-agent.ts';

/** A call whose result the recording does not hold, for a person to give. */
export interface UnmatchedCall {
  readonly run: string;
  readonly position: Position;
  readonly tool: string;
  /** JSON. */
  readonly arguments: string;
}

export interface RerunSettings {
  readonly mode: RerunMode;
  readonly unmatched: UnmatchedPolicy;
  /** Tools whose code of today runs whatever the recording holds. */
  readonly live: ReadonlySet<string>;
  readonly after: Position | undefined;
  /** The result that a person gives, as text; undefined where nobody does. */
  readonly ask: ((call: UnmatchedCall) => Promise<string | undefined>) | undefined;
  readonly models: () => Promise<LiveModels>;
  readonly secrets: (name: string) => string | undefined;
  readonly signal: AbortSignal;
}

export interface RecordedReplyFound {
  readonly attempt: RecordedAttempt;
  readonly row: RecordedCall;
  readonly response: ModelResponse;
  readonly cost: Spent;
}

/** The rerun cannot go on from here. */
export class RerunStopped extends Error {
  readonly at: StoppedAt;

  constructor(at: StoppedAt) {
    super(at.because);
    this.at = at;
  }
}

export class Rerunning {
  readonly recorded: RecordedRun;
  readonly today: TodaysAgent;
  readonly settings: RerunSettings;
  readonly transcript: RerunTranscript;
  readonly calls: RerunCall[] = [];
  prompt: PromptDifference | undefined;
  decision: DecisionDifference | undefined;
  /** The canonical JSON of the newest output. */
  output: string | undefined;
  /** From here on models are called. */
  isLive: boolean;
  steps = 0;
  afterMicroUsd = 0;
  afterTokens = 0;
  liveMicroUsd = 0;
  /** Messages that this rerun made in place of recorded ones, by position. */
  readonly made = new Map<Position, string>();
  /** Recorded decisions that were given to requests of this rerun, by the request's position. */
  readonly decisions = new Map<Position, RecordedRequest>();
  readonly #errors = new Map<Position, ToolErrorNote>();
  readonly #problems = new Map<Position, string>();
  readonly #arguments = new Map<Hash, string>();
  readonly #counted = new Set<Position>();
  /** The run's parsed input, where functions of the agent are told it. */
  #input: unknown;

  constructor(recorded: RecordedRun, today: TodaysAgent, settings: RerunSettings) {
    this.recorded = recorded;
    this.today = today;
    this.settings = settings;
    this.transcript = new RerunTranscript(today);
    this.isLive = settings.mode === 'tools-recorded';
    for (const { edited } of recorded.requests)
      if (edited !== undefined) this.#arguments.set(edited.argumentsHash, edited.arguments);
  }

  /** @param head  Where the run's first model call finds the transcript. */
  async begin(head: TranscriptHead): Promise<void> {
    const messages = this.recorded.messages(head.chain, head.length);
    const system = await this.today.system(messages[0] ?? '').catch((error: unknown) => {
      throw new RerunStopped({
        position: '1',
        what: 'application',
        because: `Today's instructions could not be made for this run: ${error instanceof Error ? error.message : String(error)}`,
      });
    });
    this.transcript.begin(messages, head, system);
    const { agent, frozen } = this.today;
    if (needsInput(frozen) || frozen.route === true)
      this.#input = await this.#ask('1', () => parsedInput(agent, contentOf(messages[0] ?? '')));
  }

  /** The message that an entry puts into the prompt. @throws RerunStopped */
  message(entry: EntryRef): string {
    if ('say' in entry) return userMessage(this.#problems.get(entry.at) ?? entry.say);
    if ('error' in entry)
      return toolErrorMessage(entry.id, this.#errors.get(entry.at) ?? entry.error);
    const made = this.made.get(entry.at);
    if (made !== undefined) return made;
    const message = this.recorded.messageAt(entry.at);
    const isUnstored = message === undefined && entry.at.startsWith('said/');
    if (message === undefined || sha256(message) !== entry.hash) {
      const other = isUnstored ? this.#unstored(entry.hash) : undefined;
      if (other !== undefined) return other;
      throw new RerunStopped({
        position: entry.at,
        what: 'recording',
        because:
          message === undefined
            ? 'The recording does not hold the message that the history names.'
            : `The recorded message is not the one that the history names: it hashes to ${sha256(message)}, and ${entry.hash} was recorded.`,
      });
    }
    return message;
  }

  /** What a raw message named and nobody stored: the transcript says so in its place. */
  #unstored(hash: Hash): string | undefined {
    for (let seq = 0; ; seq += 1) {
      const message = this.recorded.message(this.transcript.chain, seq);
      if (message === undefined) return undefined;
      if (message.includes(hash) && message.includes('not on record')) return message;
    }
  }

  /** The attempt at a position that sent its prompt. */
  sentAt(position: Position): RecordedAttempt | undefined {
    return this.recorded.attemptsAt(position).find((attempt) => attempt.promptHash !== undefined);
  }

  /** Notes a model call with its prompt, and the first prompt that is another than the recorded. */
  noteCall(
    position: Position,
    prompt: RerunPrompt,
    sent: RecordedAttempt | undefined,
    reply: RerunCall['reply'],
  ): void {
    this.calls.push({
      position,
      model: prompt.model,
      ...(sent?.promptHash === undefined ? {} : { recorded: sent.promptHash }),
      now: prompt.hash,
      reply,
    });
    if (this.prompt !== undefined || sent?.promptHash === undefined) return;
    if (sent.promptHash === prompt.hash) return;
    this.prompt = {
      position,
      recordedHash: sent.promptHash,
      nowHash: prompt.hash,
      ...differingValues(this.recorded.promptOf(sent), prompt.body),
    };
  }

  /** Today's judgement of a reply. What a fork was given is taken as it is. */
  async judge(
    response: ModelResponse,
    at: { readonly state: RunState; readonly position: Position; readonly model: string },
  ): Promise<Judgement> {
    for (const { argumentsText } of response.toolCalls) this.keepArguments(argumentsText);
    const { agent, frozen } = this.today;
    const { state, position, model } = at;
    if (isGiven(state, position)) return judgeReply(agent, response);
    const taken = await this.#ask(position, () =>
      takeReply(agent, frozen, response, {
        step: stepOf(position),
        model,
        mayRaise: mayRaise({ ...state, input: this.today.input(state.input) }),
        input: this.#input,
      }),
    );
    return taken.judged;
  }

  /** Whether today's agent ends the run before this call. */
  async stopBefore(
    { entries, ...state }: RunState,
    position: Position,
    messages: readonly string[],
  ): Promise<Stopped | undefined> {
    const { agent, frozen } = this.today;
    if (!looksBeforeCalls(frozen) || isGiven(state, position)) return undefined;
    if (
      entries.length === 0 ||
      entries.some((entry) => 'say' in entry || entry.at.startsWith('said/'))
    )
      return undefined;
    const results = resultsOf(this.transcript.last, messages);
    if (results === undefined) return undefined;
    const step = stepOf(position) - 1;
    return this.#ask(position, () =>
      askStopWhen(agent, { input: this.#input, step, results, calls: [], text: '' }),
    );
  }

  /** What today's route says. */
  async route(position: Position, facts: RouteFacts): ReturnType<typeof chooseTier> {
    const { agent, frozen } = this.today;
    const { customer } = this.recorded;
    return this.#ask(position, () =>
      chooseTier(agent, frozen, {
        ...facts,
        input: this.#input,
        ...(customer === undefined ? {} : { customer }),
      }),
    );
  }

  /** A function of the application that fails ends a rerun, as it would end the run. */
  async #ask<Value>(position: Position, question: () => Promise<Value>): Promise<Value> {
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof BelayerError)) throw error;
      throw new RerunStopped({ position, what: 'application', because: error.message });
    }
  }

  /** The reply becomes part of the transcript; what comes behind it is said to its calls. */
  accept(
    position: Position,
    prompt: { readonly model: string; readonly entries: readonly string[] },
    reply: { readonly response: ModelResponse; readonly judged: Judgement; readonly cost: Spent },
  ): ModelAnswer {
    const { response, judged, cost } = reply;
    if (judged.kind === 'rejected') return { kind: 'rejected', cost, because: judged.because };
    const head = this.transcript.accept(prompt.model, prompt.entries, assistantMessage(response));
    const transcript: TranscriptHead = {
      ...head,
      ...(response.usage === undefined
        ? {}
        : { tokens: response.usage.inputTokens + response.usage.outputTokens }),
    };
    if (judged.kind === 'calls')
      for (const [index, call] of judged.calls.entries()) {
        const at = toolPosition(stepOf(position), index);
        if (call.error !== undefined) this.#errors.set(at, call.error);
      }
    if (judged.kind === 'final') this.output = judged.text;
    if (judged.kind === 'misfit') this.#problems.set(position, judged.problem);
    return modelAnswer(judged, transcript, cost);
  }

  /** Under what they hash to once they are canonical, which is how calls name them. */
  keepArguments(argumentsText: string): void {
    const text = canonicalOf(argumentsText);
    if (text !== undefined) this.#arguments.set(sha256(text), text);
  }

  /** The recorded reply to a prompt that no call of this rerun has been given yet. */
  recordedReplyTo(prompt: RerunPrompt): RecordedReplyFound | undefined {
    const attempt = this.recorded.attempts.find(
      ({ promptHash, outcome, position }) =>
        promptHash === prompt.hash && outcome === 'ok' && !this.#counted.has(position),
    );
    return attempt && this.#replyOf(attempt);
  }

  /** The reply that whoever forked the run gave it, or that the fork shares. */
  givenReplyAt(position: Position): RecordedReplyFound | undefined {
    const attempt = this.recorded.attemptsAt(position).find(({ outcome }) => outcome === 'ok');
    return attempt && this.#replyOf(attempt);
  }

  #replyOf(attempt: RecordedAttempt): RecordedReplyFound | undefined {
    const row = this.recorded.calls.get(attempt.position);
    if (row?.fragment === undefined) return undefined;
    this.countRecorded(attempt.position);
    const { costMicroUsd: cost, inputTokens, outputTokens } = attempt;
    return {
      attempt,
      row,
      response: recordedReply(row.fragment, attempt),
      cost: { costMicroUsd: cost, tokens: inputTokens + outputTokens },
    };
  }

  /** The arguments of a call, as JSON. */
  argumentsOf(call: { readonly arguments?: string; readonly argumentsHash: Hash }): string {
    return (
      call.arguments ??
      this.#arguments.get(call.argumentsHash) ??
      this.recorded.kept(call.argumentsHash) ??
      'null'
    );
  }

  /** Whether calls of models from this position on are live ones. */
  isBehind(position: Position): boolean {
    const { after } = this.settings;
    if (after === undefined) return false;
    if (stepOf(position) !== stepOf(after)) return stepOf(position) > stepOf(after);
    return this.calls.some((call) => call.position === after) && position !== after;
  }

  /**
   * What a recorded call would cost again: what it cost then, at the prices of its moment, so that a difference is
   * never one of prices. Nothing for a sub-agent: its own result counts that.
   */
  countRecorded(position: Position): void {
    if (this.#counted.has(position)) return;
    this.#counted.add(position);
    for (const attempt of ownAttempts(this.recorded.attemptsAt(position))) {
      this.afterMicroUsd += attempt.costMicroUsd;
      this.afterTokens += attempt.inputTokens + attempt.outputTokens;
    }
  }

  /** @throws RerunStopped  Its live calls have cost what the run itself was allowed. */
  checkCeiling({ limits: { costMicroUsd: ceiling } }: RunState, position: Position): void {
    if (this.liveMicroUsd < ceiling) return;
    throw new RerunStopped({
      position,
      what: 'model call',
      because: `Live calls of this rerun have cost ${this.liveMicroUsd} micro-dollars; the run's own limit is ${ceiling}.`,
    });
  }

  countLive(microUsd: number, tokens: number): void {
    this.afterMicroUsd += microUsd;
    this.liveMicroUsd += microUsd;
    this.afterTokens += tokens;
  }
}

function canonicalOf(argumentsText: string): string | undefined {
  try {
    return canonicalJson(JSON.parse(argumentsText === '' ? '{}' : argumentsText));
  } catch {
    return undefined;
  }
}
