/**
 * All that a run remembers, as plain data. The pure transitions between states are in `after-*.ts`.
 *
 * 1. A transition never looks at a clock and never does I/O: times come in as arguments.
 * 2. Handlers of signals and updates record here and decide nothing.
 * 3. `inFlight` holds what has been started and not come back; nothing is started twice.
 */
import type {
  AgentRunInput,
  BudgetWait,
  CarriedSession,
  CarriedState,
  EntryRef,
  ExtendBudgetInput,
  NoteEventInput,
  ProposedCall,
  RequestKind,
  RunOutcome,
  Spent,
  ToolErrorNote,
  TranscriptHead,
} from '../contracts/agent-run.ts';
import type { BudgetAsked } from '../contracts/budgets.ts';
import type { AskPolicy, EscalationCause, ToolPolicy } from '../contracts/definitions.ts';
import { invariant } from '../contracts/failures.ts';
import {
  fallbackPosition,
  interruptPosition,
  modelPosition,
  type Position,
  raisedPosition,
  repairPosition,
} from '../contracts/positions.ts';
import type { ModelChoice } from '../contracts/routing.ts';

/** What a model asked for, and how it may be done. */
export interface Wanted {
  readonly position: Position;
  readonly proposed: ProposedCall;
  readonly policy: ToolPolicy;
}

/** A tool call of the current step. */
export interface CallState extends Wanted {
  readonly phase:
    /** May start. */
    | 'ready'
    /** A human is asked, or is to be asked. */
    | 'asking'
    | 'running'
    /** Its own attempts are used up: the next fallback's arguments are to be made. */
    | 'falling-back'
    | 'settled';
  /** Runs on the queue though its policy says near: its near attempt took too long. */
  readonly moved?: true;
  /** The request that lets it run again although its outcome was unknown. */
  readonly again?: Position;
  /** Times that its outcome was unknown. */
  readonly unknowns: number;
  /** The approval by which a human changed its arguments. */
  readonly edited?: Position;
  /** Set on a fallback: the call that the model asked for. */
  readonly origin?: Wanted;
  readonly fallbacksTried?: number;
  /** Why the last way of doing it came to nothing. */
  readonly failure?: ToolErrorNote;
  /** The tool in whose place it runs, and how that one failed. */
  readonly instead?: { readonly tool: string; readonly code: string };
  readonly escalations?: number;
  /** Attempts made when its outcome was found to be unknown. */
  readonly attemptsMade?: number;
  /** Attempts before a human said to try again. */
  readonly attemptsBefore?: number;
  readonly result?: EntryRef;
  /** Of an agent with a route, which is told: the result is a failure. */
  readonly failed?: true;
}

export interface RequestState {
  readonly position: Position;
  /** Empty for an escalation of the run itself. */
  readonly call: Position;
  readonly kind: RequestKind;
  readonly about?: EscalationCause | 'tool';
  readonly ask: AskPolicy;
  /** 1 when the level above is asked. */
  readonly level: 0 | 1;
  readonly argumentsHash: string;
  /** Milliseconds since the epoch; set when the request was opened. */
  readonly deadlineMs: number;
  readonly detail?: string;
  readonly phase: 'to-open' | 'open' | 'to-escalate' | 'decided' | 'closing';
  readonly decision?: Decision;
  /** Why the last decision did not count. */
  readonly refusal?: { readonly decision: number; readonly because: string };
  /** How the run ends when a human gives up. */
  readonly otherwise?: RunOutcome;
  /** The shared budget that it is about. */
  readonly budget?: BudgetAsked;
}

export interface Decision {
  readonly verdict: 'approved' | 'denied' | 'expired' | 'answered' | 'extended' | 'withdrawn';
  readonly by: string;
  readonly via: 'update' | 'signal' | 'deadline' | 'run';
  readonly reason?: string;
  /** Counts the decisions of one execution, for who waits to hear whether it counts. */
  readonly number?: number;
  /** Of its row in the database. */
  readonly decision?: string;
  readonly edit?: { readonly argumentsHash: string; readonly arguments?: string };
  readonly answer?: { readonly hash: string; readonly text?: string };
}

/** Of a run that goes on with the caller's next message. */
export interface SessionState extends CarriedSession {
  readonly phase: 'working' | 'turn-over' | 'waiting';
}

export interface RunState {
  readonly input: AgentRunInput;
  /** The input's, and what humans added. */
  readonly limits: AgentRunInput['limits'];
  readonly startedAtMs: number;
  /** Working time of earlier executions and finished stretches of this one. */
  readonly workedMs: number;
  /** When the present stretch of work began; absent while only humans are awaited. */
  readonly workingSinceMs?: number;
  /** Executions of this run before this one. */
  readonly executions: number;
  readonly step: number;
  readonly modelIndex: number;
  /** The cheaper model that a shared budget leaves for the next call, and only for that. */
  readonly degradedTo?: number;
  /** Of an agent with tiers: the model of the present step; see `choose-model.ts`. */
  readonly choice?: ModelChoice;
  /** Models that could not be reached, by their place in the list. */
  readonly failed?: readonly number[];
  /** Which model gave the last reply, and counted its tokens. */
  readonly lastModel?: number;
  readonly fallbacks: number;
  readonly repairs: number;
  readonly repairsForgiven: number;
  /** Times that the present model call was interrupted by a message. */
  readonly interrupts: number;
  readonly transcript: TranscriptHead;
  /** What the next model call appends. */
  readonly entries: readonly EntryRef[];
  /** What people say to the model meanwhile: behind the results, which follow their calls. */
  readonly steers: readonly EntryRef[];
  /** The reply whose calls are being carried out. */
  readonly from: Position;
  readonly calls: readonly CallState[];
  readonly requests: readonly RequestState[];
  readonly inFlight: readonly Position[];
  readonly spent: Spent;
  readonly halt?: { readonly reason: string; readonly by: string; readonly flagged: boolean };
  /** The halt has been passed on to what was in flight. */
  readonly aborted: boolean;
  readonly paused?: { readonly reason: string; readonly by: string };
  /** `wanted`: what is in flight is to be aborted; `passed-on`: it was, and has not all come back. */
  readonly interrupt?: 'wanted' | 'passed-on';
  /** What is to be put on record for those who watch, in order. */
  readonly notes: readonly NoteEventInput[];
  /** Ceilings that humans raised and that are not in the database yet. */
  readonly toExtend: readonly ExtendBudgetInput[];
  readonly extensions: number;
  /** The last extension that did not count, and why. */
  readonly extensionRefused?: { readonly number: number; readonly because: string };
  readonly escalations: number;
  /** The next model call waits for a shared budget; kept until the call is answered. */
  readonly budgetWait?: BudgetWait;
  /** The present call was asked before, and not answered: words that came since make it another call. */
  readonly refused?: true;
  /** A shared budget was changed while a call was in flight that it may refuse. */
  readonly budgetChanged?: true;
  readonly session?: SessionState;
  readonly ending?: { readonly outcome: RunOutcome; readonly outputAt?: Position };
  /** Temporal asked for a new history. */
  readonly historyLong: boolean;
}

export function firstState(input: AgentRunInput, nowMs: number): RunState {
  const carried = input.carried;
  return {
    input,
    limits: carried?.limits ?? input.limits,
    startedAtMs: carried?.startedAtMs ?? nowMs,
    workedMs: carried?.workedMs ?? 0,
    workingSinceMs: nowMs,
    executions: carried?.executions ?? 0,
    step: carried?.step ?? 0,
    modelIndex: carried?.modelIndex ?? 0,
    fallbacks: carried?.fallbacks ?? 0,
    repairs: carried?.repairs ?? 0,
    repairsForgiven: carried?.repairsForgiven ?? 0,
    interrupts: carried?.interrupts ?? 0,
    transcript: carried?.transcript ?? input.transcript,
    entries: carried?.entries ?? [],
    steers: carried?.steers ?? [],
    from: '',
    calls: [],
    requests: [],
    inFlight: [],
    spent: carried?.spent ?? { costMicroUsd: 0, tokens: 0 },
    aborted: false,
    ...(carried?.paused === undefined ? {} : { paused: carried.paused }),
    notes: [],
    toExtend: [],
    extensions: carried?.extensions ?? 0,
    escalations: carried?.escalations ?? 0,
    ...(input.session === undefined ? {} : { session: firstSession(carried?.session) }),
    ...(carried?.budgetWait === undefined
      ? {}
      : { budgetWait: carried.budgetWait, refused: true as const }),
    ...chosen(carried ?? {}),
    historyLong: false,
  };
}

/** What an agent with tiers carries beside. */
export const chosen = ({
  choice,
  failed,
  lastModel,
}: Pick<CarriedState, 'choice' | 'failed' | 'lastModel'>): Pick<
  CarriedState,
  'choice' | 'failed' | 'lastModel'
> => ({
  ...(choice === undefined ? {} : { choice }),
  ...(failed === undefined ? {} : { failed }),
  ...(lastModel === undefined ? {} : { lastModel }),
});

function firstSession(carried: CarriedSession | undefined): SessionState {
  if (carried === undefined)
    return {
      phase: 'working',
      turn: 1,
      firstStep: 0,
      workedMs: 0,
      messages: 0,
      inbox: [],
      heard: [],
    };
  return { ...carried, phase: carried.idleSinceMs === undefined ? 'working' : 'waiting' };
}

/** What the next execution needs. Only at a safe point: nothing in flight, no call of a step open. */
export function toCarried(state: RunState, nowMs: number): CarriedState {
  invariant(state.inFlight.length === 0, 'a run continues as new with nothing in flight');
  invariant(
    state.calls.every((call) => call.phase === 'settled'),
    'a run continues as new between steps',
  );
  invariant(
    state.notes.length === 0 && state.toExtend.length === 0 && state.requests.length === 0,
    'a run continues as new with everything on record',
  );
  const { limits, session, paused } = state;
  // Runs from before there was a clock did not, and their histories replay as they were.
  const saysTries = state.input.clock !== undefined || state.budgetWait !== undefined;
  // One that waits for a budget goes on as refused, and counts its words there.
  const interrupts = state.budgetWait === undefined ? interruptsOf(state) : state.interrupts;
  const { phase: _, ...carriedSession } = session ?? { phase: 'working' };
  return {
    step: state.step,
    transcript: state.transcript,
    entries: pendingResults(state),
    spent: state.spent,
    workedMs: workedMsAt(state, nowMs),
    modelIndex: state.modelIndex,
    repairs: state.repairs,
    startedAtMs: state.startedAtMs,
    executions: state.executions + 1,
    ...(limits === state.input.limits ? {} : { limits }),
    ...(paused === undefined ? {} : { paused }),
    ...(state.escalations === 0 ? {} : { escalations: state.escalations }),
    ...(state.extensions === 0 ? {} : { extensions: state.extensions }),
    ...(state.repairsForgiven === 0 ? {} : { repairsForgiven: state.repairsForgiven }),
    ...(state.steers.length === 0 ? {} : { steers: state.steers }),
    ...(session === undefined ? {} : { session: carriedSession as CarriedSession }),
    ...(state.budgetWait === undefined ? {} : { budgetWait: state.budgetWait }),
    ...(saysTries && state.fallbacks > 0 ? { fallbacks: state.fallbacks } : {}),
    ...(saysTries && interrupts > 0 ? { interrupts } : {}),
    ...chosen(state),
  };
}

export const workedMsAt = (state: RunState, nowMs: number): number =>
  state.workedMs +
  (state.workingSinceMs === undefined ? 0 : Math.max(0, nowMs - state.workingSinceMs));

/** The results of the finished step in the model's order, behind what was to be said before. */
const pendingResults = (state: RunState): readonly EntryRef[] => [
  ...state.entries,
  ...state.calls.flatMap((call) => (call.result === undefined ? [] : [call.result])),
];

/** What the next model call appends to the transcript. */
export const pendingEntries = (state: RunState): readonly EntryRef[] => [
  ...pendingResults(state),
  ...state.steers,
];

/** About how many bytes they add to the prompt. */
export const pendingBytes = (state: RunState): number =>
  pendingEntries(state).reduce(
    (sum, entry) =>
      sum +
      ('bytes' in entry
        ? entry.bytes
        : 'say' in entry
          ? entry.say.length
          : entry.error.message.length),
    0,
  );

/**
 * Times that the present call was interrupted. One that a budget refused, or that all models failed at, was asked
 * before, and its position keeps what was asked there: with words that came since it is another.
 */
export const interruptsOf = (state: RunState): number =>
  state.interrupts + (state.refused === true && state.steers.length > 0 ? 1 : 0);

/** Where the next model call stands: a step, or what serves it. */
export function nextModelPosition(state: RunState): Position {
  const base =
    state.repairs > 0 ? repairPosition(state.step, state.repairs) : modelPosition(state.step + 1);
  const interrupts = interruptsOf(state);
  const asked = interrupts > 0 ? interruptPosition(base, interrupts) : base;
  const ups = state.choice?.ups ?? 0;
  const raised = ups > 0 ? raisedPosition(asked, ups) : asked;
  return state.fallbacks > 0 ? fallbackPosition(raised, state.fallbacks) : raised;
}

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

/** The call that the model asked for, whatever is tried in its place now. */
export const originOf = (call: CallState): Wanted => call.origin ?? call;

/** Whether a failure of the call has somewhere to go before the model is told. */
export function hasWayOut(call: CallState): boolean {
  const { fallbacks = [], critical } = originOf(call).policy;
  return (call.fallbacksTried ?? 0) < fallbacks.length || critical === true;
}

/** Of a fork: the call's answer is on record before the run begins. */
export const isGiven = ({ input }: Pick<RunState, 'input'>, position: Position): boolean =>
  input.given?.includes(position) === true;

/** The run is to end: by a human's word, or because it has come to its end. */
export const isStopping = (state: RunState): boolean =>
  state.halt !== undefined || state.ending !== undefined;

export const withoutFlight = (state: RunState, position: Position): RunState => ({
  ...state,
  inFlight: state.inFlight.filter((other) => other !== position),
});

export const withCall = (
  state: RunState,
  position: Position,
  change: (call: CallState) => CallState,
): RunState => ({
  ...state,
  calls: state.calls.map((call) => (call.position === position ? change(call) : call)),
});

export const withRequest = (
  state: RunState,
  position: Position,
  change: (request: RequestState) => RequestState,
): RunState => ({
  ...state,
  requests: state.requests.map((request) =>
    request.position === position ? change(request) : request,
  ),
});

export const withNote = (state: RunState, note: NoteEventInput): RunState => ({
  ...state,
  notes: [...state.notes, note],
});

export const addSpent = (left: Spent, right: Spent): Spent => ({
  costMicroUsd: left.costMicroUsd + right.costMicroUsd,
  tokens: left.tokens + right.tokens,
});
