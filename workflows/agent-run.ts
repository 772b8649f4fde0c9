/**
 * One run of an agent. `rules/` decide; this carries out what they say, durably and in order.
 *
 * 1. Handlers of signals and updates only record; the loop acts.
 * 2. Calls are launched and land by themselves, so that a human is heard while they are in flight.
 * 3. A result is awaited first and the state read after it, or what arrived meanwhile would be lost.
 * 4. What the world may mend (a database, a worker) is waited for; a bug of ours parks the run.
 */
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { AgentRunInput, RunOutcome } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import { decideNextStep } from '../rules/decide-next-step.ts';
import {
  afterAbort,
  afterAsking,
  afterDecision,
  afterFlagRaised,
  afterHalt,
  afterHistoryLong,
  afterModelStarted,
  afterRequestClosed,
  afterRequestClosing,
  afterRequestOpened,
  afterSilence,
  afterStop,
  afterToolStarted,
  afterWaitBegins,
  afterWaitEnds,
  callAt,
  firstState,
  requestAt,
  type RunState,
  toCarried,
} from '../rules/run-state.ts';
import { bookkeeping } from './activity-proxies.ts';
import { describeRun } from './describe-run.ts';
import { flyModelCall, flyToolCall } from './flights.ts';
import { handleMessages } from './human-messages.ts';
import { persist } from './persist.ts';

export async function agentRun(input: AgentRunInput): Promise<RunOutcome> {
  const run = new AgentRun(input);
  handleMessages(run);
  // A cancellation by Temporal's own means is a halt: the run ends in order, with its books closed.
  void CancellationScope.current().cancelRequested.catch(() =>
    run.change((state) => afterHalt(state, { reason: 'cancelled', by: 'temporal' })),
  );
  return CancellationScope.nonCancellable(() => carryOut(run));
}

/** A run's state and what of it is in flight. */
export class AgentRun {
  readonly input: AgentRunInput;
  state: RunState;
  /** A fault of ours in something that was launched: the loop throws it, and the run parks. */
  broken: Error | undefined;
  #waitingFor: string | undefined;
  #wake: () => void = () => undefined;
  readonly flights = new Map<
    Position,
    { readonly scope: CancellationScope; readonly abortable: boolean }
  >();

  constructor(input: AgentRunInput) {
    this.input = input;
    this.state = firstState(input, Date.now());
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

  /** Shown in the Temporal UI while the world is waited for. */
  waitsFor(failed: { readonly type: string; readonly message: string } | undefined): void {
    this.#waitingFor = failed === undefined ? undefined : `${failed.type}: ${failed.message}`;
    this.describe();
  }

  describe(): void {
    setCurrentDetails(describeRun(this.state, this.#waitingFor));
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
    const info = workflowInfo();
    if (
      !run.state.historyLong &&
      (info.continueAsNewSuggested || info.historyLength > limits.historyEventsMax)
    )
      run.change(afterHistoryLong);

    const step = decideNextStep(run.state, Date.now());
    switch (step.kind) {
      case 'call-model': {
        run.change((state) => afterModelStarted(state, step.position));
        run.launch(step.position, true, () => flyModelCall(run, step));
        break;
      }
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
        run.change((state) => afterSilence(state, Date.now()));
        break;
      case 'raise-flag': {
        const { reason, by } = run.state.halt ?? { reason: '', by: '' };
        await persist(run, () => bookkeeping.raiseFlag({ reason, by }));
        run.change(afterFlagRaised);
        break;
      }
      case 'abort-in-flight':
        run.change(afterAbort);
        for (const flight of run.flights.values()) if (flight.abortable) flight.scope.cancel();
        break;
      case 'wait':
        run.describe();
        await wait(run, step);
        break;
      case 'stop':
        run.change((state) => afterStop(state, step.because, step.detail));
        break;
      case 'continue-as-new':
        // Nothing is awaited between the decision and this, so nothing can arrive unseen.
        return continueAsNew<typeof agentRun>({
          ...run.input,
          carried: toCarried(run.state, Date.now()),
        });
      case 'end':
        return end(run, step.outcome, step.outputAt);
    }
  }
}

async function wait(
  run: AgentRun,
  step: { readonly humansOnly: boolean; readonly untilMs?: number },
): Promise<void> {
  const moved = (): boolean =>
    run.broken !== undefined || decideNextStep(run.state, Date.now()).kind !== 'wait';
  if (step.humansOnly) run.change((state) => afterWaitBegins(state, Date.now()));
  if (step.untilMs === undefined) while (!moved()) await run.nextChange();
  else await condition(moved, Math.max(1, step.untilMs - Date.now()));
  if (step.humansOnly) run.change((state) => afterWaitEnds(state, Date.now()));
}

async function openRequest(run: AgentRun, position: Position): Promise<void> {
  const request = requestAt(run.state, position);
  const { proposed, policy } = callAt(run.state, request.call);
  const deadlineMs = Date.now() + (policy.approvalDeadlineMs ?? limits.approvalDeadlineMsDefault);
  const opened = await persist(run, () =>
    bookkeeping.openRequest({
      position,
      kind: request.kind,
      tool: proposed.tool,
      argumentsHash: request.argumentsHash,
      ...(proposed.arguments === undefined ? {} : { arguments: proposed.arguments }),
      from: run.state.from,
      id: proposed.id,
      deadlineMs,
      ...(request.detail === undefined ? {} : { detail: request.detail }),
    }),
  );
  run.change((state) => afterRequestOpened(state, position, deadlineMs));
  const { decided } = opened ?? {};
  if (decided !== undefined && decided.verdict !== 'withdrawn') {
    const { verdict, ...decision } = decided;
    run.change((state) => afterDecision(state, position, { ...decision, verdict }));
  }
}

async function closeRequest(run: AgentRun, position: Position): Promise<void> {
  const { decision } = requestAt(run.state, position);
  if (decision === undefined) return;
  run.change((state) => afterRequestClosing(state, position));
  await persist(run, () =>
    bookkeeping.closeRequest({
      position,
      verdict: decision.verdict,
      by: decision.by,
      via: decision.via,
      ...(decision.reason === undefined ? {} : { reason: decision.reason }),
    }),
  );
  run.change((state) => afterRequestClosed(state, position));
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
