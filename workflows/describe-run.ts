import type { RunState } from '../rules/run-state.ts';
import { viewRun } from '../rules/view-run.ts';

/** The run in a few lines of Markdown, for the Temporal UI. Kept out of history. */
export function describeRun(
  state: RunState,
  waitingFor: string | undefined,
  nowMs: number,
): string {
  const view = viewRun(state, nowMs);
  const lines = [
    `**${state.input.agent}**, step ${view.step}: ${view.phase}`,
    `Spent: ${view.costMicroUsd} micro-dollars, ${view.tokens} tokens`,
  ];
  if (view.inFlight.length > 0) lines.push(`In flight: ${view.inFlight.join(', ')}`);
  for (const request of view.requests)
    lines.push(`Asks a human: ${request.position} \`${request.tool}\``);
  if (view.halted !== undefined) lines.push(`Halted: ${view.halted}`);
  if (waitingFor !== undefined) lines.push(`Waits for ${waitingFor}`);
  return lines.join('\n\n');
}
