/** Transitions: what model calls and tool calls brought. */
import type {
  CallModelOutput,
  ProposedCall,
  RunToolOutput,
  ToolErrorNote,
  TranscriptHead,
} from '../contracts/agent-run.ts';
import type { OverBudget } from '../contracts/budgets.ts';
import { failureType, invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import {
  fallbackPosition,
  type Position,
  toolPosition,
  unknownPosition,
} from '../contracts/positions.ts';
import { afterFailure, afterLimit, escalated } from './after-ending.ts';
import { withoutBudgetTroubles, withoutTokenCount } from './after-budget.ts';
import { afterHalt } from './after-humans.ts';
import {
  afterRaised,
  afterTaken,
  afterUnreached,
  isCountedByAnother,
  nextModel,
} from './choose-model.ts';
import { newRequest } from './new-request.ts';
import {
  addSpent,
  callAt,
  type CallState,
  interruptsOf,
  isGiven,
  originOf,
  pendingEntries,
  type RunState,
  withCall,
  withoutFlight,
} from './run-state.ts';
import { afterWayEnds, interruptedNote, policyOf, settleWith, skippedNote } from './settle-call.ts';

export function afterModelStarted(state: RunState, position: Position): RunState {
  invariant(!state.inFlight.includes(position), `${position} is started once`);
  return {
    ...(isCountedByAnother(state) ? withoutTokenCount(state) : state),
    entries: pendingEntries(state),
    interrupts: interruptsOf(state),
    steers: [],
    calls: [],
    inFlight: [...state.inFlight, position],
  };
}

export function afterModelReply(
  state: RunState,
  position: Position,
  output: Exclude<CallModelOutput, OverBudget>,
): RunState {
  const landed = withoutFlight(state, position);
  switch (output.kind) {
    case 'halted':
      return afterHalt(landed, { reason: output.reason, by: 'flag', flagged: true });
    case 'interrupted':
      return afterAborted(state, position);
    case 'stopped':
      return afterLimit(landed, output.because, output.detail);
    case 'conflict':
      return afterFailure(
        landed,
        failureType.positionConflict,
        `Position ${position} already holds the finished reply to another prompt. A reset went another way; fork the run instead.`,
      );
    case 'rejected':
      return afterRejected(landed, output);
    case 'calls':
    case 'final':
    case 'misfit':
    case 'refused':
      return afterModelAnswer(landed, position, output);
    default:
      return output satisfies never;
  }
}

/** The reply is paid for, and as if it had not been said. */
function afterRejected(
  state: RunState,
  { because, cost }: Extract<CallModelOutput, { readonly kind: 'rejected' }>,
): RunState {
  const { interrupt: _, ...calm } = withoutBudgetTroubles(state);
  return afterRaised({ ...calm, spent: addSpent(state.spent, cost) }, because);
}

function afterModelAnswer(
  state: RunState,
  position: Position,
  output: Extract<CallModelOutput, { readonly transcript: TranscriptHead }>,
): RunState {
  const taken = afterTaken(state, output.kind === 'misfit');
  const { interrupt: _, ...calm } = withoutBudgetTroubles(taken);
  const replied: RunState = {
    ...calm,
    step: state.repairs > 0 ? state.step : state.step + 1,
    fallbacks: 0,
    interrupts: 0,
    transcript: afterReply(state, output.transcript),
    entries: [],
    from: position,
    spent: addSpent(state.spent, output.cost),
  };
  switch (output.kind) {
    case 'calls':
      return {
        ...replied,
        repairs: 0,
        repairsForgiven: 0,
        calls: toCallStates(replied, output.calls),
      };
    case 'final': {
      const repaired = {
        ...replied,
        repairs: 0,
        repairsForgiven: 0,
        // A call without a result would make the transcript one that no provider takes.
        entries: (output.skipped ?? []).map((id, index) => ({
          at: toolPosition(replied.step, index),
          id,
          error: skippedNote,
        })),
      };
      const final = { output: output.output, bytes: output.outputBytes, at: position };
      // Someone said something meanwhile: the model hears it before its word counts as the last.
      if (state.steers.length > 0) return repaired;
      if (state.session !== undefined)
        return { ...repaired, session: { ...state.session, last: final, phase: 'turn-over' } };
      return {
        ...replied,
        ending: {
          outcome: { kind: 'done', output: final.output, bytes: final.bytes },
          outputAt: position,
        },
      };
    }
    case 'misfit':
      return afterMisfit(replied, position, output.problem);
    case 'refused':
      return escalated(replied, 'refusal', {
        kind: 'stopped',
        because: 'model-refused',
        detail: `The model refused at ${position}.`,
      });
    default:
      return output satisfies never;
  }
}

/** A model that a budget chose counted the tokens; the next call is the first model's again. */
function afterReply(state: RunState, transcript: TranscriptHead): TranscriptHead {
  return state.degradedTo === undefined
    ? transcript
    : withoutTokenCount({ ...state, transcript }).transcript;
}

/** The model is told what does not fit, `limits.repairsMax` times; then a human may say to go on. */
function afterMisfit(state: RunState, position: Position, problem: string): RunState {
  const told: RunState = {
    ...state,
    repairs: state.repairs + 1,
    entries: [{ at: position, say: problem }],
  };
  const made = state.repairs - state.repairsForgiven;
  if (made < limits.repairsMax) return told;
  const asked = escalated(
    told,
    'output',
    {
      kind: 'failed',
      failure: {
        type: failureType.outputInvalid,
        message: `The output did not fit its schema after ${made} repairs: ${problem}`,
      },
    },
    position,
  );
  return asked.ending === undefined
    ? { ...asked, repairsForgiven: state.repairs }
    : { ...asked, repairs: state.repairs };
}

/** The model's attempts are used up, or what it was asked is wrong. */
export function afterModelFailure(
  state: RunState,
  position: Position,
  failure: { readonly type: string; readonly message: string; readonly retryable: boolean },
): RunState {
  const landed = withoutFlight(state, position);
  const next = nextModel(state);
  // What another model cannot mend is not tried on it: a rejected request is rejected there too.
  if (failure.retryable && next !== undefined && landed.halt === undefined) {
    if (state.input.tiers !== undefined)
      return {
        ...withoutTokenCount(afterUnreached(landed, next, failure.type)),
        fallbacks: state.fallbacks + 1,
      };
    return {
      ...withoutTokenCount(landed),
      // One that a budget chose was for this call alone, and so is what comes in its place.
      ...(state.degradedTo === undefined ? { modelIndex: next } : { degradedTo: next }),
      fallbacks: state.fallbacks + 1,
    };
  }
  return escalated(
    landed,
    'model',
    { kind: 'failed', failure: { type: failure.type, message: failure.message } },
    position,
  );
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
          ...(state.input.route === true && output.status === 'failed'
            ? { failed: true as const }
            : {}),
        })),
        spent: addSpent(landed.spent, { costMicroUsd: output.costMicroUsd ?? 0, tokens: 0 }),
      };
    case 'exhausted':
      return afterWayEnds(
        {
          ...landed,
          spent: addSpent(landed.spent, { costMicroUsd: output.costMicroUsd ?? 0, tokens: 0 }),
        },
        position,
        output.error,
      );
    case 'interrupted':
      return afterAborted(state, position);
    case 'slow':
      return withCall(landed, position, (call) => ({ ...call, phase: 'ready', moved: true }));
    case 'unknown':
      return askWhatHappened(landed, position, output);
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
  if (call.policy.effect === 'write')
    return askWhatHappened(landed, position, { detail: note.message });
  return afterWayEnds(landed, position, note);
}

/** A sub-agent that could not be opened: the model is told why. */
export const afterToolRefused = (
  state: RunState,
  position: Position,
  error: ToolErrorNote,
): RunState => settleWith(withoutFlight(state, position), position, error);

/** A call that was cancelled before it had an answer: nothing of it is known to have happened. */
export function afterAborted(state: RunState, position: Position): RunState {
  const landed = withoutFlight(state, position);
  const isTool = landed.calls.some((call) => call.position === position);
  if (landed.interrupt === undefined || landed.halt !== undefined)
    return isTool ? withCall(landed, position, (call) => ({ ...call, phase: 'ready' })) : landed;
  return isTool
    ? settleWith(landed, position, interruptedNote)
    : // Its position keeps what was asked there: the call with the new message has another.
      { ...landed, interrupts: landed.interrupts + 1, fallbacks: 0 };
}

/** The next way of doing a call: another tool, with arguments made for it. */
export function afterFallbackProposed(
  state: RunState,
  position: Position,
  proposed: ProposedCall,
): RunState {
  const call = callAt(state, position);
  const origin = originOf(call);
  const number = (call.fallbacksTried ?? 0) + 1;
  const next: CallState = {
    position: fallbackPosition(origin.position, number),
    proposed,
    policy: policyOf(state, proposed.tool),
    phase: proposed.ask === true ? 'asking' : 'ready',
    unknowns: 0,
    origin: { position: origin.position, proposed: origin.proposed, policy: origin.policy },
    fallbacksTried: number,
    instead: { tool: origin.proposed.tool, code: call.failure?.code ?? '' },
    ...(call.escalations === undefined ? {} : { escalations: call.escalations }),
  };
  const replaced = withCall(state, position, () => next);
  return proposed.error === undefined
    ? replaced
    : afterWayEnds(replaced, next.position, proposed.error);
}

function askWhatHappened(
  state: RunState,
  position: Position,
  { detail, attempts }: { readonly detail: string; readonly attempts?: number },
): RunState {
  const call = callAt(state, position);
  const asking = withCall(state, position, (running) => ({
    ...running,
    phase: 'asking',
    unknowns: running.unknowns + 1,
    ...(attempts === undefined ? {} : { attemptsMade: attempts }),
  }));
  return newRequest(asking, {
    position: unknownPosition(position, call.unknowns + 1),
    call: position,
    kind: 'unknown',
    argumentsHash: call.proposed.argumentsHash,
    policy: call.policy,
    detail,
  });
}

function toCallStates(state: RunState, proposed: readonly ProposedCall[]): readonly CallState[] {
  return proposed.map((call, index): CallState => {
    const position = toolPosition(state.step, index);
    const policy = policyOf(state, call.tool);
    const base = { position, proposed: call, policy, unknowns: 0 };
    // Its result is there: nothing is judged, asked or run.
    if (isGiven(state, position)) return { ...base, phase: 'ready' };
    if (call.error !== undefined)
      return {
        ...base,
        phase: 'settled',
        result: { at: position, id: call.id, error: call.error },
      };
    return { ...base, phase: call.ask === true || policy.question === true ? 'asking' : 'ready' };
  });
}
