/** Requests to humans: put on record, escalated, and closed with what was decided. */
import type { CloseRequestInput } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import { callAt, originOf, requestAt, type RequestState } from '../rules/run-state.ts';
import {
  afterDecision,
  afterEscalated,
  afterRequestClosed,
  afterRequestClosing,
  afterRequestOpened,
} from '../rules/transitions.ts';
import { bookkeeping } from './activity-proxies.ts';
import type { AgentRun } from './agent-run.ts';
import { persist } from './persist.ts';

export async function openRequest(run: AgentRun, position: Position): Promise<void> {
  const request = requestAt(run.state, position);
  const { ask, kind, about, detail } = request;
  const deadlineMs = run.clock.nowMs + ask.deadlineMs;
  const subject = subjectOf(run, request);
  const opened = await persist(run, () =>
    bookkeeping.openRequest({
      position,
      kind,
      ...subject,
      argumentsHash: request.argumentsHash,
      deadlineMs,
      ...(detail === undefined ? {} : { detail }),
      ...(request.call === '' ? {} : { call: request.call }),
      ...(about === undefined ? {} : { about }),
      ...(request.budget === undefined ? {} : { budget: request.budget }),
      ...(ask.deciders === undefined ? {} : { deciders: ask.deciders }),
      ...(ask.escalation === undefined
        ? {}
        : {
            escalatesTo: {
              ...ask.escalation,
              deadlineMs: deadlineMs + ask.escalation.deadlineMs,
            },
          }),
    }),
  );
  run.change((state) => afterRequestOpened(state, position, deadlineMs));
  const { decided } = opened ?? {};
  if (decided !== undefined && decided.verdict !== 'withdrawn') {
    const { verdict, ...decision } = decided;
    run.change((state) => afterDecision(state, position, { ...decision, verdict }));
  }
}

/** What the request is about: a call as its model asked for it, or nothing for one of the run itself. */
function subjectOf(
  run: AgentRun,
  request: RequestState,
): {
  readonly tool: string;
  readonly arguments?: string;
  readonly from: Position;
  readonly id: string;
  readonly edited?: Position;
} {
  if (request.call === '') return { tool: '', from: '', id: '' };
  const call = callAt(run.state, request.call);
  const { proposed } = request.kind === 'escalation' ? originOf(call) : call;
  return {
    tool: proposed.tool,
    ...(proposed.arguments === undefined ? {} : { arguments: proposed.arguments }),
    from: run.state.from,
    id: proposed.id,
    ...(call.edited === undefined ? {} : { edited: call.edited }),
  };
}

export async function escalateRequest(run: AgentRun, position: Position): Promise<void> {
  const { ask, deadlineMs } = requestAt(run.state, position);
  const above = [...(ask.deciders ?? []), ...(ask.escalation?.deciders ?? [])];
  await persist(run, () =>
    bookkeeping.escalateRequest({
      position,
      deadlineMs,
      // Without a list of its own the first level was open to everyone, and stays so.
      ...(ask.deciders === undefined ? {} : { deciders: above.slice(0, limits.decidersMax * 2) }),
    }),
  );
  run.change((state) => afterEscalated(state, position));
}

export async function closeRequest(run: AgentRun, position: Position): Promise<void> {
  const request = requestAt(run.state, position);
  const { decision } = request;
  if (decision === undefined) return;
  run.change((state) => afterRequestClosing(state, position));
  const { verdict, by, via, reason, edit, answer } = decision;
  const closed = await persist(run, () =>
    bookkeeping.closeRequest({
      position,
      verdict,
      by,
      via,
      ...(reason === undefined ? {} : { reason }),
      ...(decision.decision === undefined ? {} : { decision: decision.decision }),
      ...(request.ask.recordedOnly === true
        ? { recordedOnly: true as const, argumentsHash: request.argumentsHash }
        : {}),
      ...(edit === undefined ? {} : { edit }),
      ...(answer === undefined ? {} : { answer }),
      ...(edit === undefined && verdict !== 'answered' ? {} : { call: callOf(run, request) }),
    }),
  );
  // Histories from before edits and answers hold nothing here.
  run.change((state) => afterRequestClosed(state, position, closed ?? {}));
}

/** The call that an edit changes or an answer settles: the one that the model asked for. */
function callOf(run: AgentRun, request: RequestState): NonNullable<CloseRequestInput['call']> {
  const call = callAt(run.state, request.call);
  const { position, proposed } = request.kind === 'escalation' ? originOf(call) : call;
  return {
    position,
    id: proposed.id,
    tool: proposed.tool,
    argumentsHash: proposed.argumentsHash,
    definition: run.input.definition,
  };
}
