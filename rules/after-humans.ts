/** Transitions: what humans said, and what became of what they were asked. */
import {
  type CloseRequestOutput,
  type EntryRef,
  type ToolErrorNote,
  toolErrorCode,
} from '../contracts/agent-run.ts';
import type { BudgetAsked } from '../contracts/budgets.ts';
import type { AskPolicy } from '../contracts/definitions.ts';
import { invariant } from '../contracts/failures.ts';
import type {
  ExtendBudgetMessage,
  HaltMessage,
  PauseMessage,
  ResumeMessage,
  SteerMessage,
} from '../contracts/messages.ts';
import { approvalPosition, type Position, questionPosition } from '../contracts/positions.ts';
import { afterTriedAgain } from './choose-model.ts';
import { newRequest } from './new-request.ts';
import {
  type CallState,
  type Decision,
  nextModelPosition,
  requestAt,
  type RequestState,
  type RunState,
  withCall,
  withNote,
  withRequest,
  workedMsAt,
} from './run-state.ts';
import { interruptedNote, settleWith, unknownNote } from './settle-call.ts';

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

export function afterPause(state: RunState, { reason, by }: PauseMessage): RunState {
  if (state.paused !== undefined) return state;
  return withNote(
    { ...state, paused: { reason, by } },
    { kind: 'run.paused', body: { reason, by }, state: 'paused' },
  );
}

export function afterResume(state: RunState, { reason, by }: ResumeMessage): RunState {
  if (state.paused === undefined) return state;
  const { paused: _, ...rest } = state;
  return withNote(rest, {
    kind: 'run.resumed',
    body: { by, ...(reason === undefined ? {} : { reason }) },
    state: state.session?.phase === 'waiting' ? 'waiting' : 'running',
  });
}

export function afterSteer(state: RunState, { text, by }: SteerMessage): RunState {
  const position = nextModelPosition(state);
  const steer: EntryRef = { at: position, say: steerText(text) };
  return withNote(
    { ...state, steers: [...state.steers, steer] },
    { kind: 'run.steered', position, body: { by, text } },
  );
}

/** Said as what it is: the caller's words stay the caller's. */
const steerText = (text: string): string => `[From the operator of this run] ${text}`;

/** Who may raise the run's limits: whoever may answer the request about them, open or not. */
export function guardOf(state: RunState): {
  readonly ask: AskPolicy | undefined;
  readonly level: 0 | 1;
  /** Set where the open request is about a budget that other runs share: then that is what is raised. */
  readonly budget?: BudgetAsked;
} {
  const open = state.requests.find((request) => request.about === 'budget');
  return {
    ask: open?.ask ?? state.input.ask,
    level: open?.level ?? 0,
    ...(open?.budget === undefined ? {} : { budget: open.budget }),
  };
}

/** Amounts are put in the database first, and count from then on. */
export function afterExtension(
  state: RunState,
  {
    by,
    reason,
    decision,
    costMicroUsd = 0,
    tokens = 0,
    steps = 0,
    wallMs = 0,
  }: ExtendBudgetMessage,
  via: 'update' | 'signal',
): RunState {
  const number = state.extensions + 1;
  const { ask, budget } = guardOf(state);
  return {
    ...state,
    extensions: number,
    toExtend: [
      ...state.toExtend,
      {
        costMicroUsd,
        tokens,
        steps,
        wallMs,
        by,
        via,
        number,
        ...(reason === undefined ? {} : { reason }),
        ...(decision === undefined ? {} : { decision }),
        ...(ask?.recordedOnly === true ? { recordedOnly: true as const } : {}),
        ...(budget === undefined ? {} : { budget }),
      },
    ],
  };
}

/** What the run may use up once everything that was said is on record. */
export const limitsToBe = ({ limits, toExtend }: RunState): RunState['limits'] =>
  toExtend
    .filter((more) => more.budget === undefined)
    .reduce(
      (sum, more) => ({
        costMicroUsd: sum.costMicroUsd + more.costMicroUsd,
        tokens: sum.tokens + more.tokens,
        steps: sum.steps + more.steps,
        wallMs: sum.wallMs + more.wallMs,
      }),
      limits,
    );

/** The ceilings are raised; whoever was asked for it need not be asked any more. */
export function afterExtended(
  state: RunState,
  { refused }: { readonly refused?: string } = {},
): RunState {
  const [made, ...rest] = state.toExtend;
  if (made === undefined) return state;
  if (refused !== undefined)
    return {
      ...state,
      toExtend: rest,
      extensionRefused: { number: made.number, because: refused },
    };
  const raised: RunState = {
    ...state,
    toExtend: rest,
    limits: limitsToBe({ ...state, toExtend: [made] }),
  };
  return raised.requests
    .filter((request) => request.about === 'budget')
    .reduce(
      (before, request) =>
        afterDecision(before, request.position, {
          verdict: 'extended',
          by: made.by,
          via: made.via,
          ...(made.reason === undefined ? {} : { reason: made.reason }),
        }),
      raised,
    );
}

export const afterNoted = (state: RunState): RunState => ({
  ...state,
  notes: state.notes.slice(1),
});

/** The requests that a reply's calls need before they may run. */
export function afterAsking(state: RunState): RunState {
  const asked = new Set(state.requests.map((request) => request.call));
  return state.calls
    .filter((call) => call.phase === 'asking' && !asked.has(call.position))
    .reduce((before, call) => {
      const isQuestion = call.policy.question === true;
      return newRequest(before, {
        position: isQuestion ? questionPosition(call.position) : approvalPosition(call.position),
        call: call.position,
        kind: isQuestion ? 'question' : 'approval',
        argumentsHash: call.proposed.argumentsHash,
        policy: call.policy,
      });
    }, state);
}

export function afterRequestOpened(
  state: RunState,
  position: Position,
  deadlineMs: number,
): RunState {
  return withRequest(state, position, (request) => ({ ...request, phase: 'open', deadlineMs }));
}

export function afterDecision(state: RunState, position: Position, decision: Decision): RunState {
  return withRequest(state, position, (request) =>
    canBeDecided(request) ? { ...request, phase: 'decided', decision } : request,
  );
}

export const canBeDecided = ({ phase }: RequestState): boolean =>
  phase === 'to-open' || phase === 'open' || phase === 'to-escalate';

/**
 * The deadline has passed: the level above is asked, where there is one and it was not yet. Silence is
 * a no, so a forgotten request can never become an action.
 */
export function afterSilence(state: RunState, nowMs: number): RunState {
  return state.requests
    .filter((request) => request.phase === 'open' && request.deadlineMs <= nowMs)
    .reduce((before, request) => {
      const { escalation } = request.ask;
      return escalation !== undefined && request.level === 0
        ? withRequest(before, request.position, (silent) => ({
            ...silent,
            level: 1,
            phase: 'to-escalate',
            deadlineMs: nowMs + escalation.deadlineMs,
          }))
        : afterDecision(before, request.position, {
            verdict: 'expired',
            by: 'nobody',
            via: 'deadline',
          });
    }, state);
}

/** The level above has been asked; a decision that came meanwhile stays. */
export const afterEscalated = (state: RunState, position: Position): RunState =>
  withRequest(state, position, (request) =>
    request.phase === 'to-escalate' ? { ...request, phase: 'open' } : request,
  );

export const afterRequestClosing = (state: RunState, position: Position): RunState =>
  withRequest(state, position, (request) => ({ ...request, phase: 'closing' }));

/** The decision is on record, or it was found not to count and the request is open again. */
export function afterRequestClosed(
  state: RunState,
  position: Position,
  output: CloseRequestOutput = {},
): RunState {
  const request = requestAt(state, position);
  const { decision } = request;
  invariant(decision !== undefined, `${position} is closed with a decision`);
  if (output.refused !== undefined) {
    const because = output.refused;
    return withRequest(state, position, (refused) => {
      const { decision: _, ...open } = refused;
      return { ...open, phase: 'open', refusal: { decision: decision.number ?? 0, because } };
    });
  }
  const without = {
    ...state,
    requests: state.requests.filter((other) => other.position !== position),
  };
  if (request.call === '') return afterRunDecision(without, request, decision);
  if (decision.verdict === 'answered') return afterAnswer(without, request, output);
  if (decision.verdict === 'approved')
    return withCall(without, request.call, (call) => approvedCall(call, request, output));
  if (decision.verdict === 'withdrawn') return settleWith(without, request.call, interruptedNote);
  return settleWith(without, request.call, refusedNote(state, request, decision));
}

function approvedCall(
  call: CallState,
  request: RequestState,
  { edited }: CloseRequestOutput,
): CallState {
  switch (request.kind) {
    case 'unknown':
      return {
        ...call,
        phase: 'ready',
        again: request.position,
        // What was tried before counts no more: the call begins anew.
        ...(call.attemptsMade === undefined ? {} : { attemptsBefore: call.attemptsMade }),
      };
    case 'escalation':
      return triedAgain(call);
    case 'approval':
    case 'question': {
      if (edited === undefined) return { ...call, phase: 'ready' };
      const { arguments: _, ...proposed } = call.proposed;
      return {
        ...call,
        phase: 'ready',
        proposed: { ...proposed, ...edited },
        edited: request.position,
      };
    }
    default:
      return request.kind satisfies never;
  }
}

/** From the beginning, as the model asked for it: its fallbacks come after it again. */
function triedAgain(call: CallState): CallState {
  const { origin, failure } = call;
  const from = origin ?? call;
  // A fallback's failure does not say how often the tool itself was tried.
  const attempts = origin === undefined ? failure?.attempts : from.policy.retry.attempts;
  return {
    position: from.position,
    proposed: from.proposed,
    policy: from.policy,
    phase: 'ready',
    unknowns: call.unknowns,
    ...(call.edited === undefined ? {} : { edited: call.edited }),
    ...(call.escalations === undefined ? {} : { escalations: call.escalations }),
    attemptsBefore: (origin === undefined ? 0 : (call.attemptsBefore ?? 0)) + (attempts ?? 0),
  };
}

/** A human gave the result: it stands where the call's own would. */
function afterAnswer(
  state: RunState,
  request: RequestState,
  { result }: CloseRequestOutput,
): RunState {
  invariant(result?.kind === 'done', `the answer to ${request.position} is a result`);
  return withCall(state, request.call, (call) => ({
    ...call,
    phase: 'settled',
    result: { at: (call.origin ?? call).position, hash: result.hash, bytes: result.bytes },
  }));
}

/** What a human said about the run itself, which has no call that waits for it. */
function afterRunDecision(state: RunState, request: RequestState, decision: Decision): RunState {
  if (decision.verdict === 'extended') return state;
  // Tried again; what a human says about money is not for the model.
  if (decision.verdict === 'approved' && request.budget !== undefined) return state;
  if (decision.verdict !== 'approved') {
    const { otherwise } = request;
    invariant(otherwise !== undefined, `${request.position} says how the run ends otherwise`);
    return state.ending === undefined ? { ...state, ending: { outcome: otherwise } } : state;
  }
  const guided =
    decision.reason === undefined || decision.reason === ''
      ? state
      : {
          ...state,
          steers: [
            ...state.steers,
            { at: nextModelPosition(state), say: steerText(decision.reason) },
          ],
        };
  if (request.about !== 'model') return guided;
  // The models are tried again from the first. Runs from before there was a clock replay as they were.
  const again = { ...afterTriedAgain(guided), modelIndex: 0, fallbacks: 0 };
  return state.input.clock === undefined ? again : { ...again, refused: true };
}

function refusedNote(state: RunState, request: RequestState, decision: Decision): ToolErrorNote {
  switch (request.kind) {
    case 'unknown':
      return unknownNote;
    case 'approval':
      return {
        code: toolErrorCode.denied,
        message:
          decision.verdict === 'expired'
            ? 'No human approved this call in time.'
            : `A human denied this call.${because(decision)}`,
        retryable: false,
        attempts: 0,
      };
    case 'question':
      return {
        code: decision.verdict === 'expired' ? toolErrorCode.unanswered : toolErrorCode.denied,
        message:
          decision.verdict === 'expired'
            ? 'No human answered in time.'
            : `A human declined to answer.${because(decision)}`,
        retryable: false,
        attempts: 0,
      };
    case 'escalation': {
      const failure = state.calls.find((call) => call.position === request.call)?.failure;
      invariant(failure !== undefined, `${request.position} is about a failure`);
      return {
        ...failure,
        retryable: false,
        hint:
          decision.verdict === 'expired'
            ? 'A human was asked what to do and did not answer in time. Do not try it again.'
            : `A human was asked and gave it up.${because(decision)} Do not try it again.`,
      };
    }
    default:
      return request.kind satisfies never;
  }
}

const because = ({ reason }: Decision): string =>
  reason === undefined ? '' : ` Reason: ${reason}`;

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
