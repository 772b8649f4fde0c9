/** What happens in a run, one line for each event. */
import pc from 'picocolors';
import type { RunEvent } from 'belayer/client';
import { at, clock, micro, visible } from './progress.ts';

/** One event as a line; undefined for what needs none. */
export function describe(event: RunEvent): string | undefined {
  switch (event.kind) {
    case 'run.started':
      return at('', 'start', pc.dim(event.run));
    case 'model.replied': {
      const asks = counted(
        event.calls.map(
          ({ tool, refused }) => `${tool}${refused === undefined ? '' : ` (${refused})`}`,
        ),
      ).join(', ');
      const outcome = {
        calls: `asks for ${asks}`,
        final: 'ends',
        misfit: 'a reply that does not fit',
        refused: 'refuses',
        rejected: 'a reply that will not do',
      }[event.outcome];
      return at(
        event.position,
        'model',
        `${outcome}${pc.dim(`  ${micro(event.costMicroUsd)}, ${event.inputTokens + event.outputTokens} tokens`)}${again(event.attempt)}`,
      );
    }
    case 'model.failed':
      return at(
        event.position,
        'model',
        pc.yellow(`${event.type}${event.retryable ? ', tries again' : ''}`),
      );
    case 'tool.finished':
      return at(
        event.position,
        'tool',
        `${event.tool}${event.status === 'ok' ? ' done' : pc.yellow(`: ${visible(event.code ?? 'failed')}`)}${again(event.attempt)}`,
      );
    case 'tool.failed':
      return at(
        event.position,
        'tool',
        pc.yellow(`${event.tool} failed (${visible(event.code)}), next: ${event.next}`),
      );
    case 'request.opened':
      return at(
        event.position,
        'human',
        pc.yellow(
          event.request === 'unknown'
            ? `nobody knows whether ${event.tool} happened: asks`
            : `${event.tool} waits for a decision until ${clock(new Date(event.deadline))}`,
        ),
      );
    case 'request.closed':
      return at(
        event.position,
        'human',
        event.verdict === 'expired'
          ? 'no answer in time: denied'
          : `${event.verdict} by ${visible(event.by)}`,
      );
    case 'run.halting':
      return at('', 'halt', pc.yellow(`${visible(event.reason)} (${visible(event.by)})`));
    case 'run.waiting':
      return at('', 'waits', visible(event.detail));
    case 'run.stuck':
      return at('', 'stuck', pc.yellow(visible(event.detail)));
    case 'budget.waiting':
    case 'budget.degraded':
      return at(event.position, 'budget', pc.yellow(visible(event.detail)));
    case 'model.throttled':
      return at(event.position, 'waits', pc.yellow(visible(event.detail)));
    case 'run.queued':
      return at('', 'waits', 'for its turn');
    case 'run.admitted':
    case 'budget.threshold':
    case 'budget.reconciled':
    case 'run.forked':
    case 'request.escalated':
    case 'request.refused':
    case 'run.unstuck':
    case 'run.paused':
    case 'run.resumed':
    case 'run.steered':
    case 'run.extended':
    case 'run.ended':
    case 'child.started':
    case 'tool.fellback':
    case 'message.received':
    case 'turn.started':
    case 'turn.ended':
      return undefined;
  }
}

const again = (attempt: number): string => (attempt > 1 ? pc.yellow(`  (attempt ${attempt})`) : '');

/** `find_order, refund x2`: in order of their first call. */
function counted(names: readonly string[]): string[] {
  return [...new Set(names)].map((name) => {
    const times = names.filter((each) => each === name).length;
    return visible(times === 1 ? name : `${name} x${times}`);
  });
}
