/**
 * All that a run remembers, as plain data, and the pure transitions between its states.
 *
 * 1. A transition never looks at a clock and never does I/O: times come in as arguments.
 * 2. Handlers of signals and updates record here and decide nothing.
 * 3. `inFlight` holds what has been started and not come back; nothing is started twice.
 */
import type {
  AgentRunInput,
  CallModelOutput,
  CarriedState,
  EntryRef,
  ProposedCall,
  RunOutcome,
  RunToolOutput,
  Spent,
  StopReason,
  ToolErrorNote,
  TranscriptHead,
} from '../contracts/agent-run.ts';
import { toolErrorCode } from '../contracts/agent-run.ts';
import type { ToolPolicy } from '../contracts/definitions.ts';
import { failureType, invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { HaltMessage } from '../contracts/messages.ts';
import {
  approvalPosition,
  fallbackPosition,
  modelPosition,
  type Position,
  repairPosition,
  toolPosition,
  unknownPosition,
} from '../contracts/positions.ts';

/** A tool call of the current step. */
export interface CallState {
  readonly position: Position;
  readonly proposed: ProposedCall;
  readonly policy: ToolPolicy;
  readonly phase:
    /** May start. */
    | 'ready'
    /** A human is asked, or is to be asked. */
    | 'asking'
    | 'running'
    | 'settled';
  /** Runs on the queue though its policy says near: its near attempt took too long. */
  readonly moved?: true;
  /** The request that lets it run again although its outcome was unknown. */
  readonly again?: Position;
  /** Times that its outcome was unknown. */
  readonly unknowns: number;
  readonly result?: EntryRef;
}

export interface RequestState {
  readonly position: Position;
  readonly call: Position;
  readonly kind: 'approval' | 'unknown';
  readonly argumentsHash: string;
  /** Milliseconds since the epoch; set when the request was opened. */
  readonly deadlineMs: number;
  readonly detail?: string;
  readonly phase: 'to-open' | 'open' | 'decided' | 'closing';
  readonly decision?: Decision;
}

export interface Decision {
  readonly verdict: 'approved' | 'denied' | 'expired';
  readonly by: string;
  readonly via: 'update' | 'signal' | 'deadline' | 'run';
  readonly reason?: string;
}

export interface RunState {
  readonly input: AgentRunInput;
  readonly startedAtMs: number;
  /** Working time of earlier executions and finished stretches of this one. */
  readonly workedMs: number;
  /** When the present stretch of work began; absent while only humans are awaited. */
  readonly workingSinceMs?: number;
  /** Executions of this run before this one. */
  readonly executions: number;
  readonly step: number;
  readonly modelIndex: number;
  readonly fallbacks: number;
  readonly repairs: number;
  readonly transcript: TranscriptHead;
  /** What the next model call appends. */
  readonly entries: readonly EntryRef[];
  /** The reply whose calls are being carried out. */
  readonly from: Position;
  readonly calls: readonly CallState[];
  readonly requests: readonly RequestState[];
  readonly inFlight: readonly Position[];
  readonly spent: Spent;
  readonly halt?: { readonly reason: string; readonly by: string; readonly flagged: boolean };
  /** The halt has been passed on to what was in flight. */
  readonly aborted: boolean;
  readonly ending?: { readonly outcome: RunOutcome; readonly outputAt?: Position };
  /** Temporal asked for a new history. */
  readonly historyLong: boolean;
}

export function firstState(input: AgentRunInput, nowMs: number): RunState {
  const carried = input.carried;
  return {
    input,
    startedAtMs: carried?.startedAtMs ?? nowMs,
    workedMs: carried?.workedMs ?? 0,
    workingSinceMs: nowMs,
    executions: carried?.executions ?? 0,
    step: carried?.step ?? 0,
    modelIndex: carried?.modelIndex ?? 0,
    fallbacks: 0,
    repairs: carried?.repairs ?? 0,
    transcript: carried?.transcript ?? input.transcript,
    entries: carried?.entries ?? [],
    from: '',
    calls: [],
    requests: [],
    inFlight: [],
    spent: carried?.spent ?? { costMicroUsd: 0, tokens: 0 },
    aborted: false,
    historyLong: false,
  };
}

/** What the next execution needs. Only at a safe point: nothing in flight, no call of a step open. */
export function toCarried(state: RunState, nowMs: number): CarriedState {
  invariant(state.inFlight.length === 0, 'a run continues as new with nothing in flight');
  invariant(
    state.calls.every((call) => call.phase === 'settled'),
    'a run continues as new between steps',
  );
  return {
    step: state.step,
    transcript: state.transcript,
    entries: pendingEntries(state),
    spent: state.spent,
    workedMs: workedMsAt(state, nowMs),
    modelIndex: state.modelIndex,
    repairs: state.repairs,
    startedAtMs: state.startedAtMs,
    executions: state.executions + 1,
  };
}

export const workedMsAt = (state: RunState, nowMs: number): number =>
  state.workedMs +
  (state.workingSinceMs === undefined ? 0 : Math.max(0, nowMs - state.workingSinceMs));

/** The results of the finished step in the model's order, behind what was to be said before. */
export const pendingEntries = (state: RunState): readonly EntryRef[] => [
  ...state.entries,
  ...state.calls.flatMap((call) => (call.result === undefined ? [] : [call.result])),
];

/** Where the next model call stands: a step, or a repair or fallback that serves it. */
export function nextModelPosition(state: RunState): Position {
  const base =
    state.repairs > 0 ? repairPosition(state.step, state.repairs) : modelPosition(state.step + 1);
  return state.fallbacks > 0 ? fallbackPosition(base, state.fallbacks) : base;
}

export function afterModelStarted(state: RunState, position: Position): RunState {
  invariant(!state.inFlight.includes(position), `${position} is started once`);
  return {
    ...state,
    entries: pendingEntries(state),
    calls: [],
    inFlight: [...state.inFlight, position],
  };
}

export function afterModelReply(
  state: RunState,
  position: Position,
  output: CallModelOutput,
): RunState {
  const landed = withoutFlight(state, position);
  switch (output.kind) {
    case 'halted':
      return afterHalt(landed, { reason: output.reason, by: 'flag', flagged: true });
    case 'stopped':
      return afterStop(landed, output.because, output.detail);
    case 'conflict':
      return afterFailure(
        landed,
        failureType.positionConflict,
        `Position ${position} already holds the finished reply to another prompt. A reset went another way; fork the run instead.`,
      );
    case 'calls':
    case 'final':
    case 'misfit':
    case 'refused':
      return afterModelAnswer(landed, position, output);
    default:
      return output satisfies never;
  }
}

function afterModelAnswer(
  state: RunState,
  position: Position,
  output: Extract<CallModelOutput, { readonly cost: Spent }>,
): RunState {
  const replied: RunState = {
    ...state,
    step: state.repairs > 0 ? state.step : state.step + 1,
    fallbacks: 0,
    transcript: output.transcript,
    entries: [],
    from: position,
    spent: addSpent(state.spent, output.cost),
  };
  switch (output.kind) {
    case 'calls':
      return { ...replied, repairs: 0, calls: toCallStates(replied, output.calls) };
    case 'final':
      return {
        ...replied,
        ending: {
          outcome: { kind: 'done', output: output.output, bytes: output.outputBytes },
          outputAt: position,
        },
      };
    case 'misfit':
      return replied.repairs >= limits.repairsMax
        ? afterFailure(
            replied,
            failureType.outputInvalid,
            `The output did not fit its schema after ${limits.repairsMax} repairs: ${output.problem}`,
          )
        : {
            ...replied,
            repairs: replied.repairs + 1,
            entries: [{ at: position, say: output.problem }],
          };
    case 'refused':
      return afterStop(replied, 'model-refused', `The model refused at ${position}.`);
    default:
      return output satisfies never;
  }
}

/** The model's attempts are used up, or what it was asked is wrong. */
export function afterModelFailure(
  state: RunState,
  position: Position,
  failure: { readonly type: string; readonly message: string; readonly retryable: boolean },
): RunState {
  const landed = withoutFlight(state, position);
  const hasNext = state.modelIndex + 1 < state.input.models.length;
  // What another model cannot mend is not tried on it: a rejected request is rejected there too.
  if (failure.retryable && hasNext && landed.halt === undefined) {
    // Another model counts tokens another way.
    const { tokens: _, ...transcript } = state.transcript;
    return {
      ...landed,
      transcript,
      modelIndex: state.modelIndex + 1,
      fallbacks: state.fallbacks + 1,
    };
  }
  return afterFailure(landed, failure.type, failure.message);
}

export function afterToolStarted(state: RunState, position: Position): RunState {
  invariant(!state.inFlight.includes(position), `${position} is started once`);
  return {
    ...withCall(state, position, (call) => ({ ...call, phase: 'running' })),
    inFlight: [...state.inFlight, position],
  };
}

export function afterToolResult(
  state: RunState,
  position: Position,
  output: RunToolOutput,
): RunState {
  const landed = withoutFlight(state, position);
  switch (output.kind) {
    case 'done':
      return {
        ...withCall(landed, position, (call) => ({
          ...call,
          phase: 'settled',
          result: { at: position, hash: output.hash, bytes: output.bytes },
        })),
        spent: addSpent(landed.spent, { costMicroUsd: output.costMicroUsd ?? 0, tokens: 0 }),
      };
    case 'slow':
      return withCall(landed, position, (call) => ({ ...call, phase: 'ready', moved: true }));
    case 'unknown':
      return askWhatHappened(landed, position, output.detail);
    case 'halted':
      return afterHalt(
        withCall(landed, position, (call) => ({ ...call, phase: 'ready' })),
        { reason: output.reason, by: 'flag', flagged: true },
      );
    case 'conflict':
      return afterFailure(
        landed,
        failureType.positionConflict,
        `Position ${position} already holds the result of another call. A reset went another way; fork the run instead.`,
      );
    default:
      return output satisfies never;
  }
}

/** A tool's attempts ended without an answer of its own: time-outs, dead workers. */
export function afterToolFailure(
  state: RunState,
  position: Position,
  note: ToolErrorNote,
): RunState {
  const landed = withoutFlight(state, position);
  const call = callAt(landed, position);
  if (call.policy.effect === 'write') return askWhatHappened(landed, position, note.message);
  return settleWith(landed, position, note);
}

export function afterHalt(state: RunState, halt: HaltMessage): RunState {
  if (state.halt !== undefined)
    return halt.flagged === true && !state.halt.flagged
      ? { ...state, halt: { ...state.halt, flagged: true } }
      : state;
  return {
    ...state,
    halt: { reason: halt.reason, by: halt.by, flagged: halt.flagged ?? false },
  };
}

export const afterFlagRaised = (state: RunState): RunState =>
  state.halt === undefined ? state : { ...state, halt: { ...state.halt, flagged: true } };

export const afterAbort = (state: RunState): RunState => ({ ...state, aborted: true });

export function afterRequestOpened(
  state: RunState,
  position: Position,
  deadlineMs: number,
): RunState {
  return withRequest(state, position, (request) => ({ ...request, phase: 'open', deadlineMs }));
}

export function afterDecision(state: RunState, position: Position, decision: Decision): RunState {
  return withRequest(state, position, (request) =>
    request.phase === 'to-open' || request.phase === 'open'
      ? { ...request, phase: 'decided', decision }
      : request,
  );
}

/** Silence is a no, so a forgotten request can never become an action. */
export function afterSilence(state: RunState, nowMs: number): RunState {
  return state.requests
    .filter((request) => request.phase === 'open' && request.deadlineMs <= nowMs)
    .reduce(
      (before, request) =>
        afterDecision(before, request.position, {
          verdict: 'expired',
          by: 'nobody',
          via: 'deadline',
        }),
      state,
    );
}

export const afterRequestClosing = (state: RunState, position: Position): RunState =>
  withRequest(state, position, (request) => ({ ...request, phase: 'closing' }));

/** The decision is on record: the call may run, or the model is told why it does not. */
export function afterRequestClosed(state: RunState, position: Position): RunState {
  const request = requestAt(state, position);
  const decision = request.decision;
  invariant(decision !== undefined, `${position} is closed with a decision`);
  const without = {
    ...state,
    requests: state.requests.filter((other) => other.position !== position),
  };
  if (decision.verdict === 'approved')
    return withCall(without, request.call, (call) => ({
      ...call,
      phase: 'ready',
      ...(request.kind === 'unknown' ? { again: position } : {}),
    }));
  return settleWith(
    without,
    request.call,
    request.kind === 'unknown' ? unknownNote : deniedNote(decision),
  );
}

export function afterStop(state: RunState, because: StopReason, detail: string): RunState {
  if (state.ending !== undefined) return state;
  return { ...state, ending: { outcome: { kind: 'stopped', because, detail } } };
}

export function afterFailure(state: RunState, type: string, text: string): RunState {
  if (state.ending !== undefined) return state;
  return { ...state, ending: { outcome: { kind: 'failed', failure: { type, message: text } } } };
}

export const afterHistoryLong = (state: RunState): RunState => ({ ...state, historyLong: true });

/** Working time runs while anything but a human is awaited. */
export function afterWaitBegins(state: RunState, nowMs: number): RunState {
  const { workingSinceMs: _, ...rest } = state;
  return { ...rest, workedMs: workedMsAt(state, nowMs) };
}
export const afterWaitEnds = (state: RunState, nowMs: number): RunState => ({
  ...state,
  workingSinceMs: nowMs,
});

export function callAt(state: RunState, position: Position): CallState {
  const call = state.calls.find((candidate) => candidate.position === position);
  invariant(call !== undefined, `${position} is a call of this step`);
  return call;
}

export function requestAt(state: RunState, position: Position): RequestState {
  const request = state.requests.find((candidate) => candidate.position === position);
  invariant(request !== undefined, `${position} is a request of this step`);
  return request;
}

const unknownNote: ToolErrorNote = {
  code: toolErrorCode.outcomeUnknown,
  message: 'Nobody knows whether this happened. It was not tried again.',
  retryable: false,
  attempts: 1,
  hint: 'Do not repeat it. Say that the outcome is not known.',
};

const deniedNote = (decision: Decision): ToolErrorNote => ({
  code: toolErrorCode.denied,
  message:
    decision.verdict === 'expired'
      ? 'No human approved this call in time.'
      : `A human denied this call.${decision.reason === undefined ? '' : ` Reason: ${decision.reason}`}`,
  retryable: false,
  attempts: 0,
});

function askWhatHappened(state: RunState, position: Position, detail: string): RunState {
  const call = callAt(state, position);
  const request: RequestState = {
    position: unknownPosition(position, call.unknowns + 1),
    call: position,
    kind: 'unknown',
    argumentsHash: call.proposed.argumentsHash,
    deadlineMs: Number.POSITIVE_INFINITY,
    detail,
    phase: 'to-open',
  };
  return {
    ...withCall(state, position, (running) => ({
      ...running,
      phase: 'asking',
      unknowns: running.unknowns + 1,
    })),
    requests: [...state.requests, request],
  };
}

function toCallStates(state: RunState, proposed: readonly ProposedCall[]): readonly CallState[] {
  return proposed.map((call, index): CallState => {
    const position = toolPosition(state.step, index);
    // The name is the model's: `constructor` must not find what every object inherits.
    const policy = Object.hasOwn(state.input.tools, call.tool)
      ? (state.input.tools[call.tool] ?? nothing)
      : nothing;
    const base = { position, proposed: call, policy, unknowns: 0 };
    if (call.error !== undefined)
      return {
        ...base,
        phase: 'settled',
        result: { at: position, id: call.id, error: call.error },
      };
    return { ...base, phase: call.ask === true ? 'asking' : 'ready' };
  });
}

/** The policy of a tool that does not exist; its calls carry an error and never run. */
const nothing: ToolPolicy = {
  effect: 'none',
  placement: 'queue',
  timeoutMs: limits.toolMsDefault,
  retry: { attempts: 1, firstDelayMs: 0, factor: 1, maxDelayMs: 0 },
};

/** The requests that a reply's calls need before they may run. */
export function afterAsking(state: RunState): RunState {
  const asked = new Set(state.requests.map((request) => request.call));
  const missing = state.calls.filter(
    (call) => call.phase === 'asking' && !asked.has(call.position),
  );
  return {
    ...state,
    requests: [
      ...state.requests,
      ...missing.map((call): RequestState => ({
        position: approvalPosition(call.position),
        call: call.position,
        kind: 'approval',
        argumentsHash: call.proposed.argumentsHash,
        deadlineMs: Number.POSITIVE_INFINITY,
        phase: 'to-open',
      })),
    ],
  };
}

function settleWith(state: RunState, position: Position, error: ToolErrorNote): RunState {
  return withCall(state, position, (call) => ({
    ...call,
    phase: 'settled',
    result: { at: position, id: call.proposed.id, error },
  }));
}

const withoutFlight = (state: RunState, position: Position): RunState => ({
  ...state,
  inFlight: state.inFlight.filter((other) => other !== position),
});

const withCall = (
  state: RunState,
  position: Position,
  change: (call: CallState) => CallState,
): RunState => ({
  ...state,
  calls: state.calls.map((call) => (call.position === position ? change(call) : call)),
});

const withRequest = (
  state: RunState,
  position: Position,
  change: (request: RequestState) => RequestState,
): RunState => ({
  ...state,
  requests: state.requests.map((request) =>
    request.position === position ? change(request) : request,
  ),
});

const addSpent = (left: Spent, right: Spent): Spent => ({
  costMicroUsd: left.costMicroUsd + right.costMicroUsd,
  tokens: left.tokens + right.tokens,
});

/** A call that was cancelled before it had an answer: nothing of it is known to have happened. */
export function afterAborted(state: RunState, position: Position): RunState {
  const landed = withoutFlight(state, position);
  return landed.calls.some((call) => call.position === position)
    ? withCall(landed, position, (call) => ({ ...call, phase: 'ready' }))
    : landed;
}

/** A sub-agent that could not be opened: the model is told why. */
export const afterToolRefused = (
  state: RunState,
  position: Position,
  error: ToolErrorNote,
): RunState => settleWith(withoutFlight(state, position), position, error);
