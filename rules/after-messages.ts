/** Transitions of a session: messages that arrive, turns that begin and end. */
import type { EntryRef } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import type { SendMessage } from '../contracts/messages.ts';
import { saidPosition } from '../contracts/positions.ts';
import { afterDecision } from './after-humans.ts';
import { interruptedNote, settleWith } from './settle-call.ts';
import {
  nextModelPosition,
  type RunState,
  type SessionState,
  withNote,
  workedMsAt,
} from './run-state.ts';

/** The turn that answers a message which arrives now. */
export function turnFor(state: RunState, session: SessionState): number {
  const later = session.phase !== 'working' || state.input.session?.whileWorking === 'queue';
  return later ? session.turn + 1 : session.turn;
}

/** A message is put where the run's policy wants it; one that was heard before changes nothing. */
export function afterMessage(state: RunState, message: SendMessage): RunState {
  const { session } = state;
  if (session === undefined || session.heard.some((heard) => heard.id === message.id)) return state;
  const turn = turnFor(state, session);
  const entry = toEntry(state, message);
  const number = session.messages + 1;
  const heard: SessionState = {
    ...session,
    messages: number,
    heard: [...session.heard, { id: message.id, turn, words: wordsOf(message) }].slice(
      -limits.messagesHeardMax,
    ),
  };
  const noted = withNote(state, {
    kind: 'message.received',
    body: {
      id: message.id,
      number,
      turn,
      ...(message.by === undefined ? {} : { by: message.by }),
    },
  });
  if (turn > session.turn)
    return { ...noted, session: { ...heard, inbox: [...heard.inbox, entry] } };
  const steered = { ...noted, session: heard, steers: [...noted.steers, entry] };
  const interrupts =
    state.input.session?.whileWorking === 'interrupt' &&
    (state.inFlight.length > 0 || state.calls.some(({ phase }) => phase !== 'settled'));
  return interrupts ? { ...steered, interrupt: 'wanted' } : steered;
}

/** What was said, short enough to be remembered: by hash where it is stored. */
export const wordsOf = ({ stored, text = '' }: SendMessage): string =>
  stored?.hash ?? `${text.length} ${text.slice(0, wordsCharsMax)}`;

/** Enough to tell one message from another: ids are reused by mistake, not by malice. */
const wordsCharsMax = 64;

function toEntry(state: RunState, { stored, text = '' }: SendMessage): EntryRef {
  return stored === undefined
    ? { at: nextModelPosition(state), say: text }
    : { at: saidPosition(stored.hash), hash: stored.hash, bytes: stored.bytes };
}

/**
 * The interrupt is passed on: what has not begun does not begin, and nobody is asked about it any more.
 * What is in flight and may be aborted is aborted next; what may have happened stays to be settled.
 */
export function afterInterrupt(state: RunState): RunState {
  const withdrawn = state.requests
    .filter(({ kind }) => kind === 'approval' || kind === 'question')
    .reduce(
      (before, { position }) =>
        afterDecision(before, position, { verdict: 'withdrawn', by: 'belayer', via: 'run' }),
      state,
    );
  const asked = new Set(withdrawn.requests.map(({ call }) => call));
  return withdrawn.calls
    .filter(
      ({ phase, position }) =>
        phase === 'ready' ||
        phase === 'falling-back' ||
        (phase === 'asking' && !asked.has(position)),
    )
    .reduce<RunState>((before, { position }) => settleWith(before, position, interruptedNote), {
      ...withdrawn,
      interrupt: 'passed-on',
    });
}

/** The model has given the turn's output: the next message is awaited. */
export function afterTurnEnded(state: RunState, nowMs: number): RunState {
  const { session } = state;
  if (session?.last === undefined) return state;
  return withNote(
    { ...state, session: { ...session, phase: 'waiting', idleSinceMs: nowMs } },
    {
      kind: 'turn.ended',
      position: session.last.at,
      body: { turn: session.turn },
      state: 'waiting',
    },
  );
}

/** The messages that came meanwhile begin the next turn. */
export function afterTurnBegun(state: RunState, nowMs: number): RunState {
  const { session } = state;
  if (session === undefined) return state;
  const { idleSinceMs: _, ...rest } = session;
  const turn = session.turn + 1;
  return withNote(
    {
      ...state,
      steers: [...state.steers, ...session.inbox],
      session: {
        ...rest,
        phase: 'working',
        turn,
        firstStep: state.step,
        workedMs: workedMsAt(state, nowMs),
        inbox: [],
      },
    },
    { kind: 'turn.started', body: { turn } },
  );
}

/** Nobody wrote for so long that the session is over, with the output of its last turn. */
export function afterIdle(state: RunState): RunState {
  const last = state.session?.last;
  if (last === undefined || state.ending !== undefined) return state;
  return {
    ...state,
    ending: {
      outcome: { kind: 'done', output: last.output, bytes: last.bytes },
      outputAt: last.at,
    },
  };
}
