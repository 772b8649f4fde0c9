/**
 * One run of an agent. `rules/` decide; this carries out what they say, durably and in order.
 *
 * 1. Handlers of signals and updates only record; the loop acts.
 * 2. Calls are launched and land by themselves, so that a human is heard while they are in flight.
 * 3. A result is awaited first and the state read after it, or what arrived meanwhile would be lost.
 * 4. What the world may mend (a database, a worker) is waited for; a bug of ours parks the run.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  makeContinueAsNewFunc,
  patched,
  setCurrentDetails,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { AgentRunInput, RunOutcome } from '../contracts/agent-run.ts';
import { message } from '../contracts/messages.ts';
import { childRunId, type Position } from '../contracts/positions.ts';
import { decideNextStep } from '../rules/decide-next-step.ts';
import { firstState, type RunState, toCarried } from '../rules/run-state.ts';
import {
  afterAbort,
  afterAsking,
  afterExtended,
  afterFlagRaised,
  afterHalt,
  afterHistoryLong,
  afterIdle,
  afterInterrupt,
  afterLimit,
  afterModelStarted,
  afterNoted,
  afterSilence,
  afterStop,
  afterToolStarted,
  afterTurnBegun,
  afterTurnEnded,
  afterWaitBegins,
  afterWaitEnds,
} from '../rules/transitions.ts';
import { bookkeeping } from './activity-proxies.ts';
import { describeRun } from './describe-run.ts';
import { flyModelCall, flyToolCall, proposeFallback } from './flights.ts';
import { handleMessages } from './human-messages.ts';
import { askWhetherToMove, isToBeAsked } from './move-to-build.ts';
import { patch } from './patches.ts';
import { persist } from './persist.ts';
import { RunClock } from './run-clock.ts';
import { routeStep } from './route-step.ts';
import { closeRequest, escalateRequest, openRequest } from './requests.ts';

export async function agentRun(input: AgentRunInput): Promise<RunOutcome> {
  const run = new AgentRun(input);
  handleMessages(run);
  // A cancellation by Temporal's own means is a halt: the run ends in order, with its books closed.
  void CancellationScope.current().cancelRequested.catch(() => {
    run.clock.tick();
    run.change((state) => afterHalt(state, { reason: 'cancelled', by: 'temporal' }));
  });
  return CancellationScope.nonCancellable(() => carryOut(run));
}

/** A run's state and what of it is in flight. */
export class AgentRun {
  readonly input: AgentRunInput;
  readonly clock: RunClock;
  state: RunState;
  /** A fault of ours in something that was launched: the loop throws it, and the run parks. */
  broken: Error | undefined;
  /** The workflow task in which the last update was taken. */
  updateTakenAt: number | undefined;
  /** What was answered when it was asked whether the next execution goes to another build; see `move-to-build.ts`. */
  moves: boolean | undefined;
  #waitingFor: string | undefined;
  #wake: () => void = () => undefined;
  #decisions = 0;
  readonly flights = new Map<
    Position,
    { readonly scope: CancellationScope; readonly abortable: boolean }
  >();

  constructor(input: AgentRunInput) {
    this.input = input;
    this.clock = new RunClock(input);
    this.state = firstState(input, this.clock.nowMs);
  }

  change(transition: (state: RunState) => RunState): void {
    this.state = transition(this.state);
    this.#wake();
  }

  /**
   * Resolves at the next change. For a wait without a deadline: the SDK looks at conditions in
   * rounds of their own, and each costs more than all that is decided here.
   */
  nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Numbers the decisions of this execution, so that each hears what came of it. */
  nextDecision(): number {
    this.#decisions += 1;
    return this.#decisions;
  }

  /** An update was taken in the present workflow task. */
  noteUpdate(): void {
    this.updateTakenAt = this.clock.task;
  }

  /** Shown in the Temporal UI while the world is waited for. */
  waitsFor(failed: { readonly type: string; readonly message: string } | undefined): void {
    this.#waitingFor = failed === undefined ? undefined : `${failed.type}: ${failed.message}`;
    this.describe();
  }

  /** Ends what is in flight and may be aborted: an effect that has begun is recorded first. */
  abortFlights(): void {
    for (const flight of this.flights.values()) if (flight.abortable) flight.scope.cancel();
  }

  describe(): void {
    setCurrentDetails(describeRun(this.state, this.#waitingFor, Date.now()));
  }

  launch(position: Position, abortable: boolean, work: () => Promise<void>): void {
    const scope = new CancellationScope();
    this.flights.set(position, { scope, abortable });
    void scope
      .run(work)
      .catch((error: unknown) => {
        // A plain error parks the run; one of Temporal's own would fail it for a fault of ours.
        this.broken ??= new Error(`In flight at ${position}: ${String(error)}`, { cause: error });
        this.#wake();
      })
      .finally(() => {
        // The loop may have launched the position again by now.
        if (this.flights.get(position)?.scope === scope) this.flights.delete(position);
      });
  }
}

async function carryOut(run: AgentRun): Promise<RunOutcome> {
  for (;;) {
    if (run.broken !== undefined) throw run.broken;
    if (!run.state.historyLong && run.clock.isHistoryLong) run.change(afterHistoryLong);

    const step = decideNextStep(run.state, run.clock.nowMs);
    switch (step.kind) {
      case 'call-model': {
        run.change((state) => afterModelStarted(state, step.position));
        run.launch(step.position, true, () => flyModelCall(run, step));
        break;
      }
      case 'route':
        await routeStep(run, step);
        break;
      case 'run-tools':
        for (const { position, policy } of step.calls) {
          run.change((state) => afterToolStarted(state, position));
          run.launch(position, policy.effect !== 'write', () => flyToolCall(run, position));
        }
        break;
      case 'ask':
        run.change(afterAsking);
        break;
      case 'open-requests':
        for (const { position } of step.requests) await openRequest(run, position);
        break;
      case 'close-requests':
        for (const { position } of step.requests) await closeRequest(run, position);
        break;
      case 'expire-requests':
        run.change((state) => afterSilence(state, run.clock.nowMs));
        break;
      case 'escalate-requests':
        for (const { position } of step.requests) await escalateRequest(run, position);
        break;
      case 'propose-fallbacks':
        for (const { position } of step.calls) await proposeFallback(run, position);
        break;
      case 'raise-flag': {
        const { reason, by } = run.state.halt ?? { reason: '', by: '' };
        await persist(run, () => bookkeeping.raiseFlag({ reason, by }));
        run.change(afterFlagRaised);
        break;
      }
      case 'abort-in-flight':
        run.change(afterAbort);
        run.abortFlights();
        break;
      case 'interrupt':
        run.change(afterInterrupt);
        // At once where they are, and, by the server, where that is not heard.
        await persist(run, () => bookkeeping.interruptCalls());
        run.abortFlights();
        break;
      case 'note': {
        const { note } = step;
        await persist(run, () => bookkeeping.noteEvent(note));
        run.change(afterNoted);
        if (note.kind === 'run.paused' || note.kind === 'run.resumed')
          await tellChildren(run, note);
        break;
      }
      case 'extend': {
        const { extension } = step;
        const extended = await persist(run, () => bookkeeping.extendBudget(extension));
        run.change((state) => afterExtended(state, extended ?? {}));
        break;
      }
      case 'end-turn':
        run.change((state) => afterTurnEnded(state, run.clock.nowMs));
        // Between turns a session is nothing but its carried state: the place to change builds at.
        run.moves = undefined;
        if (await askWhetherToMove(run)) run.change(afterHistoryLong);
        break;
      case 'begin-turn':
        run.change((state) => afterTurnBegun(state, run.clock.nowMs));
        break;
      case 'end-session':
        run.change(afterIdle);
        break;
      case 'wait':
        run.describe();
        await wait(run, step);
        break;
      case 'stop':
        run.change((state) =>
          step.because === 'halted'
            ? afterStop(state, step.because, step.detail)
            : afterLimit(state, step.because, step.detail),
        );
        break;
      case 'continue-as-new':
        if (await handlersEnd(run)) break;
        if (isToBeAsked(run)) {
          await askWhetherToMove(run);
          break;
        }
        // Nothing is awaited between the decision and this, so nothing can arrive unseen.
        return makeContinueAsNewFunc<typeof agentRun>(
          run.moves === true ? { initialVersioningBehavior: 'AUTO_UPGRADE' } : {},
        )({ ...run.input, carried: toCarried(run.state, run.clock.nowMs) });
      case 'end':
        if (await handlersEnd(run)) break;
        return end(run, step.outcome, step.outputAt);
    }
  }
}

/**
 * Lets whoever waits for an answer have it, and makes what was said durable, before this execution
 * ends. True when there was a wait.
 *
 * Temporal refuses a workflow task that would end an execution while a signal has just come, and with
 * it the updates that were taken in that task, though PostgreSQL knows them already: the run would
 * wait for a decision that is on record. A timer closes the task with the update and without the end.
 */
async function handlersEnd(run: AgentRun): Promise<boolean> {
  if (!allHandlersFinished()) {
    await condition(allHandlersFinished);
    return true;
  }
  if (run.updateTakenAt !== run.clock.task || !patched(patch.updateBeforeEnd)) return false;
  await sleep(1);
  run.clock.tick();
  return true;
}

/** A pause and its end reach the sub-agents at work; one that has just ended needs neither. */
async function tellChildren(
  run: AgentRun,
  { kind, body }: { readonly kind: string; readonly body: Readonly<Record<string, unknown>> },
): Promise<void> {
  const name = kind === 'run.paused' ? message.pause : message.resume;
  const atWork = run.state.calls.filter(
    ({ phase, policy }) => phase === 'running' && policy.agent !== undefined,
  );
  for (const { position } of atWork) {
    await getExternalWorkflowHandle(childRunId(workflowInfo().workflowId, position))
      .signal(name, body)
      .catch(() => undefined);
    run.clock.tick();
  }
}

async function wait(
  run: AgentRun,
  step: { readonly humansOnly: boolean; readonly untilMs?: number },
): Promise<void> {
  const moved = (): boolean =>
    run.broken !== undefined || decideNextStep(run.state, run.clock.nowMs).kind !== 'wait';
  if (step.humansOnly) run.change((state) => afterWaitBegins(state, run.clock.nowMs));
  if (step.untilMs === undefined) while (!moved()) await run.nextChange();
  else if (!(await condition(moved, Math.max(1, step.untilMs - run.clock.nowMs)))) run.clock.tick();
  if (step.humansOnly) run.change((state) => afterWaitEnds(state, run.clock.nowMs));
}

async function end(
  run: AgentRun,
  outcome: RunOutcome,
  outputAt: Position | undefined,
): Promise<RunOutcome> {
  await persist(run, () =>
    bookkeeping.closeRun({
      outcome,
      steps: run.state.step,
      ...(outputAt === undefined ? {} : { outputAt }),
    }),
  );
  if (outcome.kind !== 'failed') return outcome;
  throw ApplicationFailure.nonRetryable(outcome.failure.message, outcome.failure.type);
}
