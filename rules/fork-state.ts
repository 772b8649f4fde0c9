/** What a fork begins with: the state of its parent at a model call, with what is counted anew. */
import type {
  CarriedSession,
  CarriedState,
  EntryRef,
  TranscriptHead,
} from '../contracts/agent-run.ts';
import { chosen, type RunState } from './run-state.ts';

/**
 * From the state in which a model call is launched. What the parent had spent and worked, how it was
 * paused and what humans had added to its limits stays behind: a fork counts its own.
 */
export function toForkCarried(
  state: RunState,
  changed: {
    readonly nowMs: number;
    readonly entries: readonly EntryRef[];
    readonly transcript: TranscriptHead;
    /** Other models: their chain begins at the first. */
    readonly otherModels: boolean;
    /** Another input: what was routed by the parent's is routed anew. */
    readonly otherInput?: boolean;
  },
): CarriedState {
  const { session, escalations, repairsForgiven, fallbacks, interrupts } = state;
  return {
    step: state.step,
    transcript: changed.transcript,
    entries: changed.entries,
    spent: { costMicroUsd: 0, tokens: 0 },
    workedMs: 0,
    modelIndex: changed.otherModels ? 0 : state.modelIndex,
    repairs: state.repairs,
    startedAtMs: changed.nowMs,
    executions: 0,
    ...(escalations === 0 ? {} : { escalations }),
    ...(repairsForgiven === 0 ? {} : { repairsForgiven }),
    ...(session === undefined ? {} : { session: toForkSession(session, state.step) }),
    ...(fallbacks === 0 ? {} : { fallbacks }),
    ...(interrupts === 0 ? {} : { interrupts }),
    ...(changed.otherModels
      ? raisedOnly(state)
      : chosen(changed.otherInput === true ? unrouted(state) : state)),
  };
}

/** A larger model that was asked stays asked: it is in the position. */
function unrouted(state: RunState): RunState {
  if (state.choice === undefined || state.choice.ups > 0) return state;
  const { choice: _, ...rest } = state;
  return rest;
}

/** Of other models nothing was chosen; how often a larger one was asked is in the position all the same. */
const raisedOnly = ({ choice }: RunState): Pick<CarriedState, 'choice'> =>
  choice === undefined || choice.ups === 0 ? {} : { choice: { ...choice, wanted: 0, index: 0 } };

/** The turn goes on; its steps and its working time are counted from here. */
function toForkSession(session: NonNullable<RunState['session']>, step: number): CarriedSession {
  const { turn, messages, inbox, heard } = session;
  return { turn, firstStep: step, workedMs: 0, messages, inbox, heard };
}

/** Nothing of the run has been asked yet: what its caller said is all of its transcript. */
export const isFirstCall = ({ step, repairs, transcript }: RunState): boolean =>
  step === 0 && repairs === 0 && transcript.length === 1;

/**
 * What the next call appends without what people said: results of the last step, and Belayer's own words.
 * A repair begins with what did not fit; all other words are a person's.
 */
export function withoutWords({ entries, repairs }: RunState): readonly EntryRef[] {
  return entries.filter((entry, index) => {
    if (entry.at.startsWith('said/')) return false;
    return !('say' in entry) || (repairs > 0 && index === 0);
  });
}
