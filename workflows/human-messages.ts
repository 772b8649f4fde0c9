/**
 * What a running agent can be told. Updates answer, and a refused one leaves no history; signals do
 * not answer. Both only record: the loop acts. The wire names are documented in `docs/wire.md`.
 */
import {
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  log,
  setHandler,
} from '@temporalio/workflow';
import { failureType } from '../contracts/failures.ts';
import {
  type AnswerMessage,
  type DecisionMessage,
  type DecisionReceipt,
  type ExtendBudgetMessage,
  type ExtendBudgetReceipt,
  type HaltMessage,
  message,
  type PauseMessage,
  query,
  type ResumeMessage,
  type RunStateView,
  type SendMessage,
  type SendReceipt,
  type SteerMessage,
} from '../contracts/messages.ts';
import { type Deciding, refuseDecision } from '../rules/judge-decision.ts';
import {
  refuseExtension,
  refuseMessage,
  refusePause,
  refuseResume,
  refuseSteer,
  toHalt,
} from '../rules/judge-message.ts';
import type { RunState } from '../rules/run-state.ts';
import {
  afterBudgetChanged,
  afterDecision,
  afterExtension,
  afterHalt,
  afterMessage,
  afterPause,
  afterResume,
  afterSteer,
  limitsToBe,
} from '../rules/transitions.ts';
import { viewRun } from '../rules/view-run.ts';
import type { AgentRun } from './agent-run.ts';

const haltSignal = defineSignal<[HaltMessage]>(message.halt);
const haltUpdate = defineUpdate<{ readonly halted: true }, [HaltMessage]>(message.halt);
const budgetChanged = defineSignal(message.budgetChanged);
const stateQuery = defineQuery<RunStateView>(query.state);

export function handleMessages(run: AgentRun): void {
  setHandler(stateQuery, () => viewRun(run.state, Date.now()), {
    description: 'What the run is doing now.',
  });
  const halt = (given: HaltMessage): void => {
    run.clock.tick();
    run.change((state) => afterHalt(state, toHalt(given)));
  };
  setHandler(haltSignal, halt, { description: 'Stop the run in order.' });
  setHandler(haltUpdate, (given) => {
    halt(given);
    run.noteUpdate();
    return { halted: true };
  });
  setHandler(
    budgetChanged,
    () => {
      run.clock.tick();
      run.change(afterBudgetChanged);
    },
    {
      description: 'A shared budget was changed: a call that waits for it looks again.',
    },
  );
  handleDecision(run, message.approve, 'approve');
  handleDecision(run, message.deny, 'deny');
  handleDecision(run, message.answer, 'answer');
  handleWord<PauseMessage, { readonly paused: true }>(run, message.pause, {
    refuse: refusePause,
    record: (given) => run.change((state) => afterPause(state, given)),
    receipt: () => ({ paused: true }),
  });
  handleWord<ResumeMessage, { readonly paused: false }>(run, message.resume, {
    refuse: refuseResume,
    record: (given) => run.change((state) => afterResume(state, given)),
    receipt: () => ({ paused: false }),
  });
  handleWord<SteerMessage, { readonly steered: true }>(run, message.steer, {
    refuse: refuseSteer,
    record: (given) => run.change((state) => afterSteer(state, given)),
    receipt: () => ({ steered: true }),
  });
  handleWord<ExtendBudgetMessage, ExtendBudgetReceipt>(run, message.extendBudget, {
    refuse: refuseExtension,
    record: (given, via) => run.change((state) => afterExtension(state, given, via)),
    receipt: () => limitsToBe(run.state),
    counts: async () => {
      const { extensions: number, toExtend } = run.state;
      const last = toExtend.at(-1);
      if (last?.recordedOnly !== true && last?.budget === undefined) return undefined;
      await condition(
        () =>
          run.broken !== undefined || !run.state.toExtend.some((more) => more.number === number),
      );
      const refused = run.state.extensionRefused;
      if (refused?.number === number) throw rejected(refused.because);
      if (last?.budget === undefined) return undefined;
      const { budget, costMicroUsd, tokens } = last;
      return { shared: { ...budget, costMicroUsd, tokens } };
    },
  });
  handleWord<SendMessage, SendReceipt>(run, message.send, {
    refuse: refuseMessage,
    record: (given) => run.change((state) => afterMessage(state, given)),
    receipt: (given) => ({
      id: given.id,
      turn: run.state.session?.heard.find((heard) => heard.id === given.id)?.turn ?? 0,
    }),
  });
}

interface Word<Message, Receipt> {
  /** Why it cannot be taken, or undefined. */
  readonly refuse: (state: RunState, given: Message) => string | undefined;
  readonly record: (given: Message, via: 'update' | 'signal') => void;
  readonly receipt: (given: Message) => Receipt;
  /** Where only a worker can say whether it counts: throws where it does not. What the receipt says besides. */
  readonly counts?: () => Promise<Partial<Receipt> | undefined>;
}

/** A word that is recorded at once, as an update and as a signal of the same name. */
function handleWord<Message, Receipt>(
  run: AgentRun,
  name: string,
  word: Word<Message, Receipt>,
): void {
  setHandler(defineSignal<[Message]>(name), (given) => {
    run.clock.tick();
    const reason = word.refuse(run.state, given);
    if (reason === undefined) word.record(given, 'signal');
    else log.warn(`${name} by signal was refused`, { reason });
  });
  setHandler(
    defineUpdate<Receipt, [Message]>(name),
    async (given) => {
      run.clock.tick();
      run.noteUpdate();
      word.record(given, 'update');
      const besides = await word.counts?.();
      return { ...word.receipt(given), ...besides };
    },
    {
      validator: (given) => {
        const reason = word.refuse(run.state, given);
        if (reason !== undefined) throw rejected(reason);
      },
    },
  );
}

const rejected = (reason: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(reason, failureType.decisionRejected);

const verdicts = { approve: 'approved', deny: 'denied', answer: 'answered' } as const;

function handleDecision(run: AgentRun, name: string, deciding: Deciding): void {
  const verdict = verdicts[deciding];
  const refuse = (given: DecisionMessage | AnswerMessage): string | undefined =>
    refuseDecision(run.state, deciding, given, Date.now());
  const record = (given: DecisionMessage | AnswerMessage, via: 'update' | 'signal'): number => {
    const number = run.nextDecision();
    run.change((state) =>
      afterDecision(state, given.request, {
        verdict,
        by: given.by,
        via,
        number,
        ...(given.reason === undefined ? {} : { reason: given.reason }),
        ...(given.decision === undefined ? {} : { decision: given.decision }),
        ...('edit' in given && given.edit !== undefined ? { edit: given.edit } : {}),
        ...('answer' in given ? { answer: given.answer } : {}),
      }),
    );
    return number;
  };
  setHandler(defineSignal<[DecisionMessage | AnswerMessage]>(name), (given) => {
    run.clock.tick();
    const reason = refuse(given);
    if (reason === undefined) record(given, 'signal');
    else log.warn('a decision by signal was refused', { reason });
  });
  setHandler(
    defineUpdate<DecisionReceipt, [DecisionMessage | AnswerMessage]>(name),
    async (given) => {
      const { request } = given;
      run.clock.tick();
      run.noteUpdate();
      const number = record(given, 'update');
      // Whether it counts is known only where the application and the database are.
      if (needsJudgement(run.state, given)) await whetherItCounts(run, request, number);
      const edit = 'edit' in given ? given.edit : undefined;
      return {
        request,
        verdict,
        ...(edit === undefined ? {} : { argumentsHash: edit.argumentsHash }),
      };
    },
    {
      validator: (given) => {
        const reason = refuse(given);
        if (reason !== undefined) throw rejected(reason);
      },
    },
  );
}

const needsJudgement = (state: RunState, given: DecisionMessage | AnswerMessage): boolean =>
  'answer' in given ||
  ('edit' in given && given.edit !== undefined) ||
  state.requests.find((request) => request.position === given.request)?.ask.recordedOnly === true;

async function whetherItCounts(run: AgentRun, position: string, number: number): Promise<void> {
  const requestNow = () => run.state.requests.find((request) => request.position === position);
  const refusal = (): string | undefined => {
    const refused = requestNow()?.refusal;
    return refused?.decision === number ? refused.because : undefined;
  };
  await condition(() => {
    const request = requestNow();
    return request === undefined || refusal() !== undefined || run.broken !== undefined;
  });
  const because = refusal();
  if (because !== undefined) throw rejected(because);
}
