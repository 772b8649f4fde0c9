/** A model call, a tool call or a child run in flight: started, awaited, and landed in the state. */
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  executeChild,
  isCancellation,
  ParentClosePolicy,
} from '@temporalio/workflow';
import type {
  CallModelOutput,
  EntryRef,
  OpenChildOutput,
  RunToolOutput,
} from '../contracts/agent-run.ts';
import { toolErrorCode } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import { workflowType } from '../contracts/messages.ts';
import { fallbackPosition, type Position } from '../contracts/positions.ts';
import { nextModel } from '../rules/choose-model.ts';
import { type CallState, callAt, hasWayOut, isGiven, originOf } from '../rules/run-state.ts';
import {
  afterAborted,
  afterFallbackProposed,
  afterHalt,
  afterModelFailure,
  afterModelReply,
  afterOverBudget,
  afterToolFailure,
  afterToolRefused,
  afterToolResult,
} from '../rules/transitions.ts';
import { bookkeeping, modelCall, toolCall } from './activity-proxies.ts';
import type { AgentRun } from './agent-run.ts';
import {
  type Failed,
  isSilence,
  isWaitable,
  persist,
  readFailure,
  waitForTheWorld,
} from './persist.ts';

interface Flight<Value> {
  /** A local activity: its coming back is no event of the history's own. */
  readonly near: boolean;
  readonly result: Promise<Value>;
}

type Landed<Value> =
  | { readonly kind: 'landed'; readonly value: Value }
  | { readonly kind: 'failed'; readonly failed: Failed }
  | { readonly kind: 'aborted' };

/**
 * Calls until there is an answer of any kind; waits while the world cannot serve the call at all.
 *
 * `silence: 'again'` is for calls that are free of harm when repeated: the position memoises, each
 * model attempt is charged, so the ceiling ends it. A tool that gave no answer is for the rules.
 */
export async function landing<Value extends { readonly tookMs?: number }>(
  run: AgentRun,
  silence: 'again' | 'fails',
  call: (time: number) => Flight<Value>,
): Promise<Landed<Value>> {
  for (let time = 1; ; time += 1) {
    const { near, result } = call(time);
    const sinceMs = run.clock.nowMs;
    const comeBack = (tookMs?: number): void => {
      if (near) run.clock.nearCallLanded(sinceMs, tookMs);
      else run.clock.tick();
    };
    try {
      const value = await result;
      comeBack(value.tookMs);
      return { kind: 'landed', value };
    } catch (error) {
      comeBack();
      if (isCancellation(error)) return { kind: 'aborted' };
      const failed = readFailure(error);
      if (!isWaitable(failed) && !(silence === 'again' && isSilence(failed)))
        return { kind: 'failed', failed };
      try {
        if (!(await waitForTheWorld(run, time, failed))) return { kind: 'aborted' };
      } catch (ended) {
        if (isCancellation(ended)) return { kind: 'aborted' };
        throw ended;
      }
    }
  }
}

export async function flyModelCall(
  run: AgentRun,
  step: {
    readonly position: Position;
    readonly model: string;
    readonly entries: readonly EntryRef[];
    readonly choice?: string;
    readonly mayRaise?: true;
  },
): Promise<void> {
  const { input, state } = run;
  const near = input.modelPlacement === 'near';
  const { position, model, entries } = step;
  const callModel = modelCall(input.modelPlacement, input.modelTimeoutMs, {
    summary: `${position} ${model}`,
    isLastModel: nextModel(state) === undefined,
    cached: input.cached === true,
  });
  const landed = await landing<CallModelOutput>(run, 'again', () => ({
    near,
    result: callModel({
      position,
      definition: input.definition,
      model,
      transcript: state.transcript,
      entries,
      timeoutMs: input.modelTimeoutMs,
      ...(near ? { near: true as const } : {}),
      ...(input.customer === undefined ? {} : { customer: input.customer }),
      ...(isGiven(run, position) ? { given: true as const } : {}),
      ...(step.choice === undefined ? {} : { choice: step.choice }),
      ...(step.mayRaise === true ? { mayRaise: true as const } : {}),
    }),
  }));
  switch (landed.kind) {
    case 'landed': {
      const { value } = landed;
      return run.change((now) =>
        value.kind === 'over-budget'
          ? afterOverBudget(now, position, value, run.clock.nowMs)
          : afterModelReply(now, position, value),
      );
    }
    case 'failed':
      return run.change((now) => afterModelFailure(now, position, landed.failed));
    case 'aborted':
      return run.change((now) => afterAborted(now, position));
  }
}

export async function flyToolCall(run: AgentRun, position: Position): Promise<void> {
  const call = callAt(run.state, position);
  const given = isGiven(run, position);
  if (call.policy.agent !== undefined && !given) return flyChild(run, call, call.policy.agent);
  const { policy, proposed } = call;
  const landed = await landing<RunToolOutput>(run, 'fails', (time) => {
    // Another worker may have what this one lacks: the second time, the queue finds it.
    const near = policy.placement === 'near' && call.moved !== true && time === 1;
    const timeoutMs =
      near || policy.movesToQueueMs === undefined ? policy.timeoutMs : policy.movesToQueueMs;
    const runTool = toolCall(policy, { near, timeoutMs, summary: `${position} ${proposed.tool}` });
    const result = runTool({
      position,
      definition: run.input.definition,
      id: proposed.id,
      tool: proposed.tool,
      ...(proposed.arguments === undefined ? {} : { arguments: proposed.arguments }),
      argumentsHash: proposed.argumentsHash,
      timeoutMs,
      attemptsMax: policy.retry.attempts,
      ...(near && policy.movesToQueueMs !== undefined ? { moves: true as const } : {}),
      ...(call.again === undefined ? {} : { again: call.again }),
      from: run.state.from,
      ...(run.input.customer === undefined ? {} : { customer: run.input.customer }),
      ...(hasWayOut(call) ? { waysOut: true as const } : {}),
      ...(call.edited === undefined ? {} : { edited: call.edited }),
      ...(call.instead === undefined ? {} : { instead: call.instead }),
      ...(call.attemptsBefore === undefined ? {} : { attemptsBefore: call.attemptsBefore }),
      ...(given ? { given: true as const } : {}),
    });
    return { near, result };
  });
  landTool(run, position, landed);
}

/** Makes the arguments of the next tool that is tried in a call's place. */
export async function proposeFallback(run: AgentRun, position: Position): Promise<void> {
  const call = callAt(run.state, position);
  const { position: origin, proposed } = originOf(call);
  const index = call.fallbacksTried ?? 0;
  const fallback = await persist(run, () =>
    bookkeeping.proposeFallback({
      definition: run.input.definition,
      position: fallbackPosition(origin, index + 1),
      tool: proposed.tool,
      index,
      ...(proposed.arguments === undefined ? {} : { arguments: proposed.arguments }),
      argumentsHash: proposed.argumentsHash,
      from: run.state.from,
      id: proposed.id,
      ...(call.edited === undefined ? {} : { edited: call.edited }),
    }),
  );
  run.change((state) => afterFallbackProposed(state, position, fallback));
}

function landTool(run: AgentRun, position: Position, landed: Landed<RunToolOutput>): void {
  switch (landed.kind) {
    case 'landed':
      return run.change((now) => afterToolResult(now, position, landed.value));
    case 'failed':
      return run.change((now) =>
        afterToolFailure(now, position, {
          code: /timeout/i.test(landed.failed.type)
            ? toolErrorCode.timeout
            : toolErrorCode.unavailable,
          message: `The tool gave no answer: ${landed.failed.message}`.slice(
            0,
            limits.reasonCharsMax,
          ),
          retryable: landed.failed.retryable,
          attempts: callAt(run.state, position).policy.retry.attempts,
        }),
      );
    case 'aborted':
      return run.change((now) => afterAborted(now, position));
  }
}

async function flyChild(run: AgentRun, call: CallState, agent: string): Promise<void> {
  const { position, proposed } = call;
  const opened = await landing<OpenChildOutput & { readonly tookMs?: never }>(run, 'again', () => ({
    near: true,
    result: bookkeeping.openChild({
      position,
      agent,
      caller: run.input.agent,
      tool: proposed.tool,
      ...(proposed.arguments === undefined ? {} : { arguments: proposed.arguments }),
      argumentsHash: proposed.argumentsHash,
      from: run.state.from,
      id: proposed.id,
      depth: run.input.depth + 1,
    }),
  }));
  if (opened.kind !== 'landed') return landTool(run, position, opened);
  const child = opened.value;
  switch (child.kind) {
    case 'halted':
      run.change((now) => afterAborted(now, position));
      return run.change((now) =>
        afterHalt(now, { reason: child.reason, by: 'flag', flagged: true }),
      );
    case 'refused':
      return run.change((now) => afterToolRefused(now, position, child.error));
    case 'closed':
      return run.change((now) => afterToolResult(now, position, child.result));
    case 'opened':
      break;
  }
  let halted = false;
  try {
    await executeChild(workflowType, {
      workflowId: child.run,
      args: [child.start],
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      workflowTaskTimeout: limits.workflowTaskMsMax,
      staticSummary: `${position} ${agent}`,
    });
  } catch (error) {
    // However it ended, its own books say it; what they say is the result.
    halted = isCancellation(error);
  }
  run.clock.tick();
  // What a halted child spent is its parent's too.
  await CancellationScope.nonCancellable(async () => {
    const closed = await landing(run, 'again', () => ({
      near: true,
      result: bookkeeping.closeChild({
        position,
        id: proposed.id,
        run: child.run,
        argumentsHash: proposed.argumentsHash,
        tool: proposed.tool,
      }),
    }));
    if (halted) run.change((now) => afterAborted(now, position));
    else landTool(run, position, closed);
  });
}
