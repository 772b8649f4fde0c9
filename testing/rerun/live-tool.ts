/** Today's code of a tool that changes nothing outside, run for a rerun. */
import type { ActivityDependencies } from '../../activities/dependencies.ts';
import { executeTool, type ToolOutcome } from '../../activities/execute-tool.ts';
import { failedResult, okResult } from '../../activities/tool-result.ts';
import type { Position } from '../../contracts/positions.ts';
import { invariant } from '../../contracts/failures.ts';
import { hiddenToolsOf, type Tool } from '../../definitions/internal.ts';
import { pause } from './live-models.ts';
import type { TodaysAgent } from './todays-agent.ts';

export interface LiveToolCall {
  readonly run: string;
  readonly position: Position;
  readonly id: string;
  readonly tool: string;
  readonly argumentsHash: string;
  /** JSON. */
  readonly arguments: string;
  readonly customer: string | undefined;
  readonly instead?: { readonly tool: string; readonly code: string };
  readonly edited?: Position;
}

export interface LiveToolResult {
  /** The message for the model. */
  readonly message: string;
  readonly status: 'ok' | 'failed';
  readonly costMicroUsd: number;
}

/** The tool by name: one that is offered, or one that only serves others. */
export const toolOf = ({ agent }: TodaysAgent, name: string): Tool | undefined =>
  agent.tools.find((tool) => tool.name === name) ??
  hiddenToolsOf(agent.tools).find((tool) => tool.name === name);

/** Whether its code may be run again at will: a write, a sub-agent and a question to a human may not. */
export const mayRunLive = (tool: Tool | undefined): tool is Tool =>
  tool !== undefined &&
  tool.data.effect !== 'write' &&
  tool.child === undefined &&
  tool.data.question === undefined;

export async function runToolLive(
  today: TodaysAgent,
  call: LiveToolCall,
  given: { readonly secrets: (name: string) => string | undefined; readonly signal: AbortSignal },
): Promise<LiveToolResult> {
  const tool = toolOf(today, call.tool);
  invariant(mayRunLive(tool), 'only tools that change nothing are run again');
  const { retry, timeoutMs, movesToQueueMs } = tool.data;
  const atHand = {
    call: {
      run: call.run,
      attempt: 1,
      token: 'rerun',
      isLocal: true,
      cancelled: given.signal,
      end: () => undefined,
    },
    input: {
      position: call.position,
      definition: '',
      id: call.id,
      tool: tool.name,
      argumentsHash: call.argumentsHash,
      timeoutMs: movesToQueueMs ?? timeoutMs,
      attemptsMax: retry.attempts,
      from: '',
      ...(call.instead === undefined ? {} : { instead: call.instead }),
      ...(call.edited === undefined ? {} : { edited: call.edited }),
    },
    inputHash: '',
    tool,
    agent: today.agent.name,
    arguments: JSON.parse(call.arguments) as unknown,
    resultTokensMax: tool.data.resultTokensMax ?? today.frozen.limits.toolResultTokens,
  };
  // A tool reaches no store of ours: of a worker's parts it needs its log and its secrets.
  const deps = { log: silent, secrets: given.secrets } as unknown as ActivityDependencies;
  let costMicroUsd = 0;
  for (let attempt = 1; ; attempt += 1) {
    const outcome: ToolOutcome = await executeTool(deps, atHand, {
      attempt,
      stop: given.signal,
      ...(call.customer === undefined ? {} : { customer: call.customer }),
    });
    costMicroUsd += outcome.costMicroUsd;
    given.signal.throwIfAborted();
    invariant(outcome.kind !== 'halted', 'nobody halts a rerun');
    if (outcome.kind === 'ok')
      return { message: okResult(atHand, outcome).fragment, status: 'ok', costMicroUsd };
    if (!outcome.retryable || attempt >= retry.attempts)
      return {
        message: failedResult(atHand, outcome, attempt).fragment,
        status: 'failed',
        costMicroUsd,
      };
    const delayMs = retry.firstDelayMs * retry.factor ** (attempt - 1);
    await pause(Math.min(delayMs, retry.maxDelayMs), given.signal);
  }
}

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
