/**
 * Runs an agent in this process, in milliseconds, without any server: for an application's own tests.
 *
 * The same rules decide as in a real run, the same code judges replies and runs tools. What is not
 * simulated: durability, claims and idempotency, prices and budgets, real time. Model faults cost
 * an attempt and no waiting; a request that nobody decides expires at once.
 */
import type { ActivityDependencies } from '../activities/dependencies.ts';
import { executeTool, type ToolOutcome } from '../activities/execute-tool.ts';
import { describeIssues } from '../activities/describe-issues.ts';
import { chooseTier } from '../activities/deciding/choose-tier.ts';
import { askStopWhen, looksBeforeCalls, resultsOf } from '../activities/deciding/short-circuit.ts';
import { takeReply } from '../activities/deciding/take-reply.ts';
import type { Judgement } from '../activities/judge-reply.ts';
import { modelAnswer } from '../activities/model-answer.ts';
import type { ModelResponse } from '../activities/models/model-client.ts';
import { requestParameters } from '../activities/models/request-parameters.ts';
import { standInModelId } from '../activities/models/stand-in-id.ts';
import { findTool } from '../activities/find-code.ts';
import { callOf } from '../activities/propose-fallback.ts';
import { isExhausted } from '../activities/tool-attempt.ts';
import { exhausted, failedResult, okResult } from '../activities/tool-result.ts';
import type {
  CloseRequestOutput,
  EntryRef,
  ProposedCall,
  RequestKind,
  RunOutcome,
  RunToolOutput,
  StopReason,
} from '../contracts/agent-run.ts';
import type { FrozenAgent } from '../contracts/definitions.ts';
import { BelayerError, failureType, invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { stepOf } from '../contracts/positions.ts';
import {
  type AnyAgent,
  asApp,
  childInputOf,
  freezeAgent,
  type Tool,
  type ToolContext,
} from '../definitions/internal.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { decideNextStep, type NextStep } from '../rules/decide-next-step.ts';
import {
  assistantMessage,
  inputText,
  promptHead,
  promptTail,
  systemMessage,
  toolErrorMessage,
  toolMessage,
  userMessage,
} from '../rules/render-message.ts';
import * as now from '../rules/run-state.ts';
import * as change from '../rules/transitions.ts';
import { toRunInput } from '../rules/to-run-input.ts';
import { sha256 } from '../storage/hash.ts';
import type { ChatRequest } from './provider/chat-request.ts';
import type { Script } from './provider/provider-server.ts';
import type { Fault, Reply } from './provider/script.ts';

export interface SimulateOptions {
  /** A string for an agent without an input schema. */
  readonly input: unknown;
  /** Of an application with several. */
  readonly agent?: string;
  /** Stand in for a tool's own `run`, by name. */
  readonly tools?: Readonly<Record<string, (input: never, ctx: ToolContext) => unknown>>;
  /**
   * What a human says: to a call that needs approval, a question, a failure that went to a human.
   * Default: nobody answers. An edit or an answer is taken as it is, and not held to a schema.
   */
  readonly decide?: (
    request: SimulatedRequest,
  ) => 'approve' | 'deny' | { readonly edit: unknown } | { readonly answer: unknown } | undefined;
  readonly secrets?: Readonly<Record<string, string>>;
}

export interface SimulatedRequest {
  readonly position: string;
  readonly kind: RequestKind;
  readonly tool: string;
  readonly arguments: unknown;
}

export interface SimulatedCall {
  readonly position: string;
  readonly tool: string;
  readonly arguments: unknown;
  /** Attempts that ran; 0 for a call that was refused or denied. */
  readonly attempts: number;
  /** What the model was told. */
  readonly result: string;
}

export interface Simulated {
  readonly outcome:
    | { readonly kind: 'done'; readonly output: unknown }
    | { readonly kind: 'stopped'; readonly because: StopReason; readonly detail: string }
    | {
        readonly kind: 'failed';
        readonly failure: { readonly type: string; readonly message: string };
      };
  /** Every request body as a provider would have received it. */
  readonly prompts: readonly ChatRequest[];
  readonly calls: readonly SimulatedCall[];
  readonly requests: readonly (SimulatedRequest & {
    readonly verdict: 'approved' | 'denied' | 'answered' | 'expired';
  })[];
  readonly steps: number;
}

/** @throws DefinitionRejected; anything that an agent does wrong is in the outcome. */
export async function simulate(
  definition: unknown,
  script: Script,
  options: SimulateOptions,
): Promise<Simulated> {
  const app = asApp(definition);
  const agent =
    options.agent === undefined
      ? app.agents[0]
      : app.agents.find((candidate) => candidate.name === options.agent);
  invariant(agent !== undefined, `the application has an agent \`${options.agent ?? ''}\``);
  return new Simulation(agent, script, options).run();
}

function verdictOf(
  said: ReturnType<NonNullable<SimulateOptions['decide']>>,
): 'approved' | 'denied' | 'answered' | 'expired' {
  if (said === undefined) return 'expired';
  if (said === 'deny') return 'denied';
  return typeof said === 'object' && 'answer' in said ? 'answered' : 'approved';
}

/** The outcome of one simulated model call that brought no reply. */
const statusOf = (given: Reply | Fault): number | 'transport' | undefined =>
  'status' in given
    ? given.status
    : 'fault' in given && given.fault !== 'slow'
      ? 'transport'
      : undefined;

class Simulation {
  readonly #agent: AnyAgent;
  readonly #frozen: FrozenAgent;
  readonly #script: Script;
  readonly #options: SimulateOptions;
  readonly #messages: string[] = [];
  readonly #results = new Map<string, string>();
  /** Arguments as the model wrote them, by the id of the call: long ones are not in the proposal. */
  readonly #written = new Map<string, string>();
  readonly #attempts = new Map<string, number>();
  readonly #prompts: ChatRequest[] = [];
  readonly #calls: SimulatedCall[] = [];
  readonly #said = new Map<string, { readonly edit: unknown } | { readonly answer: unknown }>();
  readonly #requests: (SimulatedRequest & {
    verdict: 'approved' | 'denied' | 'answered' | 'expired';
  })[] = [];
  #asked = 0;
  /** The length of the transcript behind which the entries of the present call were said. */
  #saidAt = -1;
  #nowMs = 0;
  #output: string | undefined;

  constructor(agent: AnyAgent, script: Script, options: SimulateOptions) {
    this.#agent = agent;
    this.#script = script;
    this.#options = options;
    this.#frozen = freezeAgent(agent, { modelDefault: standInModelId, buildId: 'simulated' });
  }

  async run(): Promise<Simulated> {
    const input = this.#parsedInput();
    if (typeof this.#agent.instructions === 'function')
      this.#messages.push(systemMessage(await this.#agent.instructions(input)));
    this.#messages.push(
      userMessage(inputText(this.#options.input, this.#agent.input !== undefined)),
    );
    let state = now.firstState(
      toRunInput({
        frozen: this.#frozen,
        definition: 'simulated',
        transcript: { chain: 0, length: 1, head: 'simulated', bytes: 0 },
      }),
      this.#nowMs,
    );
    for (;;) {
      const step = decideNextStep(state, this.#nowMs);
      switch (step.kind) {
        case 'route':
          state = await orFailed(
            async () =>
              change.afterRouted(
                state,
                await chooseTier(this.#agent, this.#frozen, { ...step.facts, input }),
              ),
            ({ type, message }) => change.afterFailure(state, type, message),
          );
          break;
        case 'call-model':
          state = await this.#takeStep(state, step, input);
          break;
        case 'run-tools':
          for (const call of step.calls) {
            state = change.afterToolStarted(state, call.position);
            state = change.afterToolResult(state, call.position, await this.#runTool(call));
          }
          break;
        case 'ask':
          state = change.afterAsking(state);
          break;
        case 'open-requests':
          for (const { position } of step.requests)
            state = this.#ask(
              change.afterRequestOpened(state, position, this.#nowMs + 1),
              position,
            );
          break;
        case 'close-requests':
          for (const { position } of step.requests) {
            const closed = this.#close(now.requestAt(state, position), state);
            state = change.afterRequestClosing(state, position);
            state = change.afterRequestClosed(state, position, closed);
          }
          break;
        case 'expire-requests':
          state = change.afterSilence(state, this.#nowMs);
          break;
        case 'wait':
          this.#nowMs = step.untilMs ?? this.#nowMs + 1;
          break;
        case 'stop':
          state = change.afterLimit(state, step.because, step.detail);
          break;
        case 'escalate-requests':
          for (const { position } of step.requests) state = change.afterEscalated(state, position);
          break;
        case 'propose-fallbacks':
          for (const call of step.calls)
            state = change.afterFallbackProposed(
              state,
              call.position,
              await this.#fallbackOf(call),
            );
          break;
        case 'end-turn':
          // One turn of a session is simulated: nobody writes again.
          state = change.afterIdle(state);
          break;
        case 'end':
          this.#say(state, now.pendingEntries(state));
          return this.#ended(step.outcome, state.step);
        case 'raise-flag':
        case 'abort-in-flight':
        case 'continue-as-new':
        case 'interrupt':
        case 'note':
        case 'extend':
        case 'begin-turn':
        case 'end-session':
          throw new Error(`A simulation never comes to ${step.kind}.`);
      }
    }
  }

  #parsedInput(): unknown {
    const { input } = this.#options;
    const parsed = this.#agent.input?.safeParse(input);
    if (parsed === undefined) return input;
    if (parsed.success) return parsed.data;
    throw new BelayerError(
      failureType.inputRejected,
      `The input of agent \`${this.#agent.name}\` does not fit its schema: ${describeIssues(parsed.error)}`,
    );
  }

  #ended(outcome: RunOutcome, steps: number): Simulated {
    return {
      outcome:
        outcome.kind === 'done'
          ? { kind: 'done', output: JSON.parse(this.#output ?? 'null') as unknown }
          : outcome,
      prompts: this.#prompts,
      calls: this.#calls,
      requests: this.#requests,
      steps,
    };
  }

  /** What the model is told next: results of calls, refusals, corrections. */
  #say(state: now.RunState, entries: readonly EntryRef[]): void {
    for (const entry of entries) {
      const message =
        'say' in entry
          ? userMessage(entry.say)
          : 'error' in entry
            ? toolErrorMessage(entry.id, entry.error)
            : (this.#results.get(entry.at) ?? '');
      this.#messages.push(message);
      const call = state.calls.find((candidate) => candidate.position === entry.at);
      if (call === undefined) continue;
      this.#calls.push({
        position: call.position,
        tool: call.proposed.tool,
        arguments: this.#argumentsOf(call.proposed),
        attempts: this.#attempts.get(call.position) ?? 0,
        result: (JSON.parse(message) as { readonly content: string }).content,
      });
    }
  }

  async #takeStep(before: now.RunState, step: ModelStep, input: unknown): Promise<now.RunState> {
    const asking = this.#messages.at(-1) ?? '';
    const told = this.#messages.length;
    // Another model is asked the same: it has been said.
    if (this.#saidAt !== before.transcript.length) this.#say(before, step.entries);
    this.#saidAt = before.transcript.length;
    const state = change.afterModelStarted(before, step.position);
    return orFailed(
      async () =>
        (await this.#stopBefore(state, { step, input, asking, told })) ??
        (await this.#callModel(state, step, input)),
      ({ type, message }) =>
        change.afterModelFailure(state, step.position, { type, message, retryable: false }),
    );
  }

  async #stopBefore(
    state: now.RunState,
    given: {
      readonly step: ModelStep;
      readonly input: unknown;
      readonly asking: string;
      readonly told: number;
    },
  ): Promise<now.RunState | undefined> {
    const { step, input, asking, told } = given;
    const results = looksBeforeCalls(this.#frozen)
      ? resultsOf(asking, this.#messages.slice(told))
      : undefined;
    if (results === undefined || results.length === 0) return undefined;
    const seen = { input, step: state.step, results, calls: [], text: '' };
    const stop = await askStopWhen(this.#agent, seen);
    if (stop === undefined) return undefined;
    return this.#take(state, step.position, {
      judged: { kind: 'final', text: stop.text },
      fragment: stop.fragment,
    });
  }

  async #callModel(state: now.RunState, step: ModelStep, input: unknown): Promise<now.RunState> {
    const { position, model } = step;
    const head = promptHead(this.#frozen, model, requestParameters(this.#frozen, model));
    const request = JSON.parse(head + this.#messages.join(',') + promptTail) as ChatRequest;
    this.#prompts.push(request);
    for (let attempt = 1; ; attempt += 1) {
      const given = await this.#next(request);
      const status = statusOf(given);
      if (status === undefined) {
        const answered = 'fault' in given ? ((given as { reply?: Reply }).reply ?? {}) : given;
        return this.#judge(state, step, { reply: answered as Reply, input });
      }
      const retryable =
        status === 'transport' ||
        status === 408 ||
        status === 409 ||
        status === 429 ||
        status >= 500;
      if (!retryable || attempt >= limits.modelAttemptsMax)
        return change.afterModelFailure(state, position, {
          type: retryable ? failureType.modelOverloaded : failureType.modelRequestRejected,
          message: `The scripted provider answered ${String(status)}.`,
          retryable,
        });
    }
  }

  #argumentsOf(proposed: { readonly id: string; readonly arguments?: string }): unknown {
    const text = proposed.arguments ?? this.#written.get(proposed.id) ?? '';
    try {
      return JSON.parse(text === '' ? '{}' : text) as unknown;
    } catch {
      return text;
    }
  }

  async #next(request: ChatRequest): Promise<Reply | Fault> {
    this.#asked += 1;
    if (typeof this.#script === 'function') return this.#script(request, this.#asked);
    const given = this.#script[this.#asked - 1];
    if (given !== undefined) return given;
    throw new Error(
      `The script has ${this.#script.length} replies, and the agent asked for one more. Its last message: ${this.#messages.at(-1)?.slice(0, 300) ?? ''}`,
    );
  }

  async #judge(
    state: now.RunState,
    { position, model, mayRaise }: ModelStep,
    { reply, input }: { readonly reply: Reply; readonly input: unknown },
  ): Promise<now.RunState> {
    const response = toResponse(reply, this.#asked);
    const { judged } = await takeReply(this.#agent, this.#frozen, response, {
      step: stepOf(position),
      model,
      mayRaise: mayRaise === true,
      input,
    });
    for (const call of response.toolCalls) this.#written.set(call.id, call.argumentsText);
    return this.#take(state, position, { judged, fragment: assistantMessage(response) });
  }

  /** What is rejected is no part of the transcript. */
  #take(
    state: now.RunState,
    position: string,
    { judged, fragment }: { readonly judged: Judgement; readonly fragment: string },
  ): now.RunState {
    if (judged.kind !== 'rejected') this.#messages.push(fragment);
    if (judged.kind === 'final') this.#output = judged.text;
    const transcript = { ...state.transcript, length: state.transcript.length + 1 };
    const free = { costMicroUsd: 0, tokens: 0 };
    return change.afterModelReply(state, position, modelAnswer(judged, transcript, free));
  }

  #ask(state: now.RunState, position: string): now.RunState {
    const request = now.requestAt(state, position);
    const proposed = request.call === '' ? undefined : now.callAt(state, request.call).proposed;
    const question = {
      position,
      kind: request.kind,
      tool: proposed?.tool ?? '',
      arguments: proposed === undefined ? null : this.#argumentsOf(proposed),
    };
    const said = this.#options.decide?.(question);
    const verdict = verdictOf(said);
    this.#requests.push({ ...question, verdict });
    if (typeof said === 'object') this.#said.set(position, said);
    return change.afterDecision(state, position, { verdict, by: 'simulation', via: 'run' });
  }

  /** What an edit or an answer comes to. */
  #close(request: now.RequestState, state: now.RunState): CloseRequestOutput {
    const said = this.#said.get(request.position);
    if (said === undefined) return {};
    if ('edit' in said) {
      const text = canonicalJson(said.edit);
      return { edited: { argumentsHash: sha256(text), arguments: text } };
    }
    const { position, proposed } = now.originOf(now.callAt(state, request.call));
    const text = typeof said.answer === 'string' ? said.answer : canonicalJson(said.answer);
    const fragment = toolMessage(proposed.id, text);
    this.#results.set(position, fragment);
    const bytes = fragment.length;
    return { result: { kind: 'done', input: '', status: 'ok', hash: '', bytes, label: 'U' } };
  }

  async #fallbackOf(call: now.CallState): Promise<ProposedCall> {
    const { proposed } = now.originOf(call);
    const failed = this.#agent.tools.find((tool) => tool.name === proposed.tool);
    const fallback = failed?.fallbacks?.[call.fallbacksTried ?? 0];
    invariant(failed !== undefined && fallback !== undefined, `${proposed.tool} has a fallback`);
    const written = canonicalJson(this.#argumentsOf(proposed));
    return (await callOf(failed, fallback, { id: proposed.id, written })).call;
  }

  async #runTool(call: now.CallState): Promise<RunToolOutput> {
    const tool = findTool(this.#agent, call.proposed.tool);
    if (tool.child !== undefined) return this.#runChild(tool, call);
    const own = this.#options.tools?.[tool.name];
    const stand: Tool = own === undefined ? tool : { ...tool, run: own as Tool['run'] };
    const atHand = {
      call: {
        run: 'simulated',
        attempt: 1,
        token: 'simulated',
        isLocal: true,
        cancelled: new AbortController().signal,
        end: () => undefined,
      },
      input: {
        position: call.position,
        definition: 'simulated',
        id: call.proposed.id,
        tool: tool.name,
        argumentsHash: call.proposed.argumentsHash,
        timeoutMs: call.policy.movesToQueueMs ?? call.policy.timeoutMs,
        attemptsMax: call.policy.retry.attempts,
        from: '',
        ...(now.hasWayOut(call) ? { waysOut: true as const } : {}),
        ...(call.instead === undefined ? {} : { instead: call.instead }),
        ...(call.edited === undefined ? {} : { edited: call.edited }),
      },
      inputHash: 'simulated',
      tool: stand,
      agent: this.#agent.name,
      arguments: this.#argumentsOf(call.proposed),
      resultTokensMax: this.#frozen.limits.toolResultTokens,
    };
    const deps = {
      log: silent,
      secrets: (name: string) => this.#options.secrets?.[name],
    } as unknown as ActivityDependencies;
    let outcome: ToolOutcome;
    let attempt = 0;
    do {
      attempt += 1;
      outcome = await executeTool(deps, atHand, { attempt });
    } while (
      outcome.kind === 'failed' &&
      outcome.retryable &&
      attempt < call.policy.retry.attempts
    );
    this.#attempts.set(call.position, attempt);
    invariant(outcome.kind !== 'halted', 'nobody halts a simulation');
    const unsure =
      outcome.kind === 'failed' && !outcome.nothingHappened && outcome.happened !== true;
    if (call.policy.effect === 'write' && unsure)
      return { kind: 'unknown', input: 'simulated', detail: 'The attempt threw.' };
    if (outcome.kind === 'failed' && isExhausted(atHand, outcome))
      return exhausted(atHand, outcome, attempt);
    const record =
      outcome.kind === 'ok' ? okResult(atHand, outcome) : failedResult(atHand, outcome, attempt);
    this.#results.set(call.position, record.fragment);
    return record.answer;
  }

  async #runChild(tool: Tool, call: now.CallState): Promise<RunToolOutput> {
    const child = tool.child?.agent as AnyAgent;
    const given = await new Simulation(child, this.#shared(), {
      ...this.#options,
      input: childInputOf(tool, this.#argumentsOf(call.proposed)),
    }).run();
    const { outcome } = given;
    const text =
      outcome.kind === 'done'
        ? typeof outcome.output === 'string'
          ? outcome.output
          : JSON.stringify(outcome.output)
        : JSON.stringify({ error: outcome });
    const fragment = toolMessage(call.proposed.id, text);
    this.#attempts.set(call.position, 1);
    this.#results.set(call.position, fragment);
    const status = outcome.kind === 'done' ? 'ok' : 'failed';
    return { kind: 'done', input: '', status, hash: '', bytes: fragment.length, label: 'U' };
  }

  /** A child goes on in the same script. */
  #shared(): Script {
    return (request) => this.#next(request);
  }
}

type ModelStep = Extract<NextStep, { readonly kind: 'call-model' }>;

/** A function of the application that fails ends the run. */
async function orFailed(
  work: () => Promise<now.RunState>,
  failed: (failure: BelayerError) => now.RunState,
): Promise<now.RunState> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BelayerError && error.type === failureType.functionFailed)
      return failed(error);
    throw error;
  }
}

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function toResponse(reply: Reply, n: number): ModelResponse {
  const calls = reply.toolCalls ?? [];
  return {
    text: reply.text ?? '',
    ...(reply.refusal === undefined ? {} : { refusal: reply.refusal }),
    toolCalls: calls.map((call, index) => ({
      id: call.id ?? `call_${n}_${index}`,
      name: call.name,
      argumentsText:
        typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments),
    })),
    finishReason: reply.finishReason ?? (calls.length > 0 ? 'tool_calls' : 'stop'),
    model: 'simulated',
    latencyMs: 0,
  };
}
