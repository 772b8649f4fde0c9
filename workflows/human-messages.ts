/**
 * What a running agent can be told. Updates answer, and a refused one leaves no history; signals do
 * not answer. Both only record: the loop acts. The wire names are documented in `docs/wire.md`.
 */
import {
  ApplicationFailure,
  defineQuery,
  defineSignal,
  defineUpdate,
  log,
  setHandler,
} from '@temporalio/workflow';
import { failureType } from '../contracts/failures.ts';
import {
  type DecisionMessage,
  type DecisionReceipt,
  type HaltMessage,
  message,
  query,
  type RunStateView,
} from '../contracts/messages.ts';
import { refuseDecision, toHalt } from '../rules/judge-decision.ts';
import { afterDecision, afterHalt } from '../rules/run-state.ts';
import { viewRun } from '../rules/view-run.ts';
import type { AgentRun } from './agent-run.ts';

const haltSignal = defineSignal<[HaltMessage]>(message.halt);
const haltUpdate = defineUpdate<{ readonly halted: true }, [HaltMessage]>(message.halt);
const stateQuery = defineQuery<RunStateView>(query.state);

export function handleMessages(run: AgentRun): void {
  setHandler(stateQuery, () => viewRun(run.state), { description: 'What the run is doing now.' });
  const halt = (given: HaltMessage): void => run.change((state) => afterHalt(state, toHalt(given)));
  setHandler(haltSignal, halt, { description: 'Stop the run in order.' });
  setHandler(haltUpdate, (given) => {
    halt(given);
    return { halted: true };
  });
  handleDecision(run, message.approve, 'approved');
  handleDecision(run, message.deny, 'denied');
}

function handleDecision(run: AgentRun, name: string, verdict: 'approved' | 'denied'): void {
  const refuse = (given: DecisionMessage): string | undefined =>
    refuseDecision(run.state, given, Date.now());
  const record = (given: DecisionMessage, via: 'update' | 'signal'): void =>
    run.change((state) =>
      afterDecision(state, given.request, {
        verdict,
        by: given.by,
        via,
        ...(given.reason === undefined ? {} : { reason: given.reason }),
      }),
    );
  setHandler(defineSignal<[DecisionMessage]>(name), (given) => {
    const reason = refuse(given);
    if (reason === undefined) record(given, 'signal');
    else log.warn('a decision by signal was refused', { reason });
  });
  setHandler(
    defineUpdate<DecisionReceipt, [DecisionMessage]>(name),
    (given) => {
      record(given, 'update');
      return { request: given.request, verdict };
    },
    {
      validator: (given) => {
        const reason = refuse(given);
        if (reason !== undefined)
          throw ApplicationFailure.nonRetryable(reason, failureType.decisionRejected);
      },
    },
  );
}
