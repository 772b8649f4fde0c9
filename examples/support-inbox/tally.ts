/** What a run did, counted from its events. */
import type { RunEvent } from 'belayer/client';

export interface Tally {
  readonly costMicroUsd: number;
  readonly tokens: number;
  /** Model calls and tool calls, and the attempts that they took. */
  readonly calls: number;
  readonly attempts: number;
  /** Tool calls that were carried out, by tool. */
  readonly tools: Readonly<Record<string, number>>;
}

export const nothing: Tally = { costMicroUsd: 0, tokens: 0, calls: 0, attempts: 0, tools: {} };

export function tallyOf(events: readonly RunEvent[]): Tally {
  const attempts = new Map<string, number>();
  const tools = new Map<string, number>();
  let spent = { costMicroUsd: 0, tokens: 0 };
  for (const event of events) {
    if ('attempt' in event)
      attempts.set(event.position, Math.max(attempts.get(event.position) ?? 0, event.attempt));
    if (event.kind === 'tool.finished' && event.status === 'ok')
      tools.set(event.tool, (tools.get(event.tool) ?? 0) + 1);
    if (event.kind === 'run.ended')
      spent = { costMicroUsd: event.costMicroUsd, tokens: event.tokens };
  }
  return {
    ...spent,
    calls: attempts.size,
    attempts: [...attempts.values()].reduce((sum, each) => sum + each, 0),
    tools: Object.fromEntries(tools),
  };
}

/** What was asked about, and who decided: `refund: denied by you`. */
export function decisionsOf(events: readonly RunEvent[]): readonly string[] {
  const asked = new Map<string, string>();
  const decisions: string[] = [];
  for (const event of events) {
    if (event.kind === 'request.opened') asked.set(event.position, event.tool);
    if (event.kind === 'request.closed')
      decisions.push(`${asked.get(event.position) ?? ''}: ${event.verdict} by ${event.by}`);
  }
  return decisions;
}

/** What a halt met: calls that were in flight and ended, and calls of the last step that never ran. */
export function haltOf(events: readonly RunEvent[]): string {
  const halted = events.findIndex((event) => event.kind === 'run.halting');
  const finished = new Map<string, 'before' | 'after'>();
  const asked: { readonly tool: string; readonly position: string }[] = [];
  for (const [index, event] of events.entries()) {
    if (event.kind === 'tool.finished')
      finished.set(event.position, index < halted ? 'before' : 'after');
    if (event.kind === 'model.replied')
      for (const [call, { tool, refused }] of event.calls.entries())
        if (refused === undefined)
          asked.push({ tool, position: `${event.position.split('/')[0]}.${call + 1}` });
  }
  const named = (when: 'after' | undefined): string =>
    asked
      .filter(({ position }) => finished.get(position) === when)
      .map(({ tool, position }) => `${tool} ${position}`)
      .join(', ') || 'nothing';
  return `in flight, and recorded: ${named('after')}; never carried out: ${named(undefined)}`;
}
