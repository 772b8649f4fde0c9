/** What people said to the recorded run and this rerun has not heard yet: said again at the same step. */
import type {
  ExtendBudgetMessage,
  HaltMessage,
  PauseMessage,
  ResumeMessage,
  SendMessage,
  SteerMessage,
} from '../../contracts/messages.ts';
import { message } from '../../contracts/messages.ts';
import {
  refuseExtension,
  refuseMessage,
  refusePause,
  refuseResume,
  refuseSteer,
  toHalt,
} from '../../rules/judge-message.ts';
import type { RunState } from '../../rules/run-state.ts';
import {
  afterExtension,
  afterHalt,
  afterMessage,
  afterPause,
  afterResume,
  afterSteer,
} from '../../rules/transitions.ts';
import type { WordOfPerson } from './words-of-people.ts';

export class Unheard {
  #words: readonly WordOfPerson[];

  /** @param from  The model call, from 0, at which the rerun went its own way: what was said before has been heard. */
  constructor(words: readonly WordOfPerson[], from: number) {
    this.#words = words.filter(({ call }) => call >= from);
  }

  /** Everything that is due by now, in order. */
  hear(before: RunState, when: 'between calls' | 'during a call'): RunState {
    let state = before;
    for (let next = this.#words[0]; next !== undefined; next = this.#words[0]) {
      const due =
        next.isDuringCall && when === 'during a call'
          ? state.step >= next.step
          : state.step > next.step;
      if (!due) return state;
      state = this.#take(state, next);
    }
    return state;
  }

  /** The run waits: what was said next is said now. Undefined where nothing is left. */
  hearNext(state: RunState): RunState | undefined {
    const [next] = this.#words;
    return next === undefined ? undefined : this.#take(state, next);
  }

  #take(state: RunState, word: WordOfPerson): RunState {
    this.#words = this.#words.slice(1);
    return afterWord(state, word);
  }
}

/** As the run's own handlers take it: what cannot be said now changes nothing. */
function afterWord(state: RunState, { name, given, via }: WordOfPerson): RunState {
  switch (name) {
    case message.halt:
      return afterHalt(state, toHalt(given as HaltMessage));
    case message.pause:
      return refusePause(state, given as PauseMessage) === undefined
        ? afterPause(state, given as PauseMessage)
        : state;
    case message.resume:
      return refuseResume(state, given as ResumeMessage) === undefined
        ? afterResume(state, given as ResumeMessage)
        : state;
    case message.steer:
      return refuseSteer(state, given as SteerMessage) === undefined
        ? afterSteer(state, given as SteerMessage)
        : state;
    case message.extendBudget:
      return refuseExtension(state, given as ExtendBudgetMessage) === undefined
        ? afterExtension(state, given as ExtendBudgetMessage, via)
        : state;
    case message.send:
      return refuseMessage(state, given as SendMessage) === undefined
        ? afterMessage(state, given as SendMessage)
        : state;
    default:
      return state;
  }
}
