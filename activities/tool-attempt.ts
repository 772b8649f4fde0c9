/** How an attempt of a tool call is told: to the platform, which tries again, and to watchers. */
import { ApplicationFailure } from '@temporalio/common';
import { toolErrorCode } from '../contracts/agent-run.ts';
import { failureType } from '../contracts/failures.ts';
import type { ToolOutcome } from './execute-tool.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';

export const retryLater = (atHand: ToolCallAtHand, code: string): ApplicationFailure =>
  ApplicationFailure.create({
    type: failureType.toolUnavailable,
    message: `Tool ${atHand.input.tool} at ${atHand.input.position} failed: ${code || toolErrorCode.failed}.`,
  });

export function eventOf(
  tool: string,
  outcome: ToolOutcome,
  latencyMs: number,
  next: 'retry' | 'ask' | 'queue' | 'verify',
): Readonly<Record<string, unknown>> {
  return {
    tool,
    status: outcome.kind === 'ok' ? 'ok' : 'failed',
    latencyMs: Math.round(latencyMs),
    ...(outcome.kind === 'failed' ? { code: outcome.code, next } : {}),
  };
}
