import { thresholdWords } from '../../rules/budget-words.ts';
import type { RunEvent } from '../../contracts/events.ts';
import { duration, moment, tokens, usd } from './amounts.ts';
import { safeLine } from './safe-text.ts';

/** One event of a run as one line: where, what, how much, how long. */
export function eventLine(event: RunEvent): string {
  const position = 'position' in event ? event.position : '-';
  return `${safeLine(position, 24).padEnd(12)} ${what(event)}`;
}

function what(event: RunEvent): string {
  switch (event.kind) {
    case 'run.started':
      return `${safeLine(event.agent)} started${event.customer === undefined ? '' : ` for ${safeLine(event.customer)}`}`;
    case 'run.forked':
      return `forked from ${safeLine(event.of, 300)} at ${safeLine(event.position, 40)} by ${safeLine(event.by)}${event.edit === undefined ? '' : `: ${safeLine(event.edit, 400)}`}${event.reason === undefined ? '' : ` (${safeLine(event.reason, 400)})`}`;
    case 'model.replied':
      if (event.given === true) return `${replied(event)}, as it is on record`;
      if (event.shortCircuit !== undefined && event.inputTokens === 0 && event.cached !== true)
        return `no model was asked: ${safeLine(event.shortCircuit, 400)}`;
      if (event.cached === true)
        return `${replied(event)}, as it was kept  ${duration(event.latencyMs)}`;
      return `${safeLine(event.model)}${choice(event)} ${replied(event)}${attempt(event)}  ${event.inputTokens}+${event.outputTokens} tokens  ${usd(event.costMicroUsd)}  ${duration(event.latencyMs)}`;
    case 'model.failed':
      return `${safeLine(event.model)} failed: ${safeLine(event.type)}${attempt(event)}, ${event.retryable ? 'is tried again' : 'is not tried again'}`;
    case 'tool.finished':
      return `${safeLine(event.tool)} ${event.status === 'ok' ? 'ok' : `failed${event.code === undefined ? '' : ` (${safeLine(event.code)})`}`}${event.cached === true ? ', as it was kept' : attempt(event)}  ${duration(event.latencyMs)}`;
    case 'tool.failed':
      return `${safeLine(event.tool)} failed (${safeLine(event.code)})${attempt(event)}, ${nextOf[event.next] ?? safeLine(event.next)}`;
    case 'request.opened':
      return `${event.tool === '' ? `the run's ${safeLine(event.about ?? '')}` : safeLine(event.tool)} waits for a human${event.request === 'unknown' ? ': nobody knows whether it happened' : ''}, until ${moment(event.deadline)} UTC`;
    case 'request.escalated':
      return `nobody answered: the level above is asked, until ${moment(event.deadline)} UTC`;
    case 'request.refused':
      return `a decision by ${safeLine(event.by)} was refused: ${safeLine(event.because, 400)}`;
    case 'request.closed':
      return `${event.verdict} by ${safeLine(event.by)}${event.argumentsHash === undefined ? '' : ', with other arguments'}`;
    case 'tool.fellback':
      return `${safeLine(event.tool)} failed, ${safeLine(event.to)} is tried instead`;
    case 'run.paused':
      return `paused by ${safeLine(event.by)}: ${safeLine(event.reason)}`;
    case 'run.resumed':
      return `resumed by ${safeLine(event.by)}${event.reason === undefined ? '' : `: ${safeLine(event.reason)}`}`;
    case 'run.steered':
      return `steered by ${safeLine(event.by)}: ${safeLine(event.text, 400)}`;
    case 'run.extended':
      return `extended by ${safeLine(event.by)}: ${extension(event)}`;
    case 'message.received':
      return `message ${event.number} received, for turn ${event.turn}`;
    case 'turn.started':
      return `turn ${event.turn} began`;
    case 'turn.ended':
      return `turn ${event.turn} ended`;
    case 'child.started':
      return `child run ${safeLine(event.child)} started`;
    case 'budget.waiting':
      return `waits for ${safeLine(event.budget, 200)}, until ${moment(event.until)} UTC at the latest: ${safeLine(event.detail, 400)}`;
    case 'budget.degraded':
      return `${safeLine(event.to)} is used in place of ${safeLine(event.from)}: ${safeLine(event.detail, 400)}`;
    case 'budget.threshold':
      return `${safeLine(thresholdWords(event), 400)}`;
    case 'budget.reconciled':
      return `attempt ${event.attempt} never came back: ${usd(event.costMicroUsd)} and ${tokens(event.tokens)} that it had reserved are charged`;
    case 'model.throttled':
      return `waits for its turn under ${safeLine(event.throttle, 200)}: ${safeLine(event.detail, 400)}`;
    case 'run.queued':
      return `queued: ${event.because === 'customer' ? 'its customer has' : 'there are'} ${event.runsMax} runs in flight, the most that may be; ${event.queued} of the customer wait before it, ${event.queuedOfAll} in all`;
    case 'run.admitted':
      return `admitted after ${duration(event.waitedMs)}`;
    case 'run.halting':
      return `halted by ${safeLine(event.by)}: ${safeLine(event.reason)}`;
    case 'run.waiting':
      return `waits: ${event.reason}. ${safeLine(event.detail)}`;
    case 'run.stuck':
      return `is stuck (${safeLine(event.finding)}): ${safeLine(event.detail, 400)}`;
    case 'run.unstuck':
      return 'moves again';
    case 'run.ended':
      return `${event.outcome}${event.because === undefined ? '' : ` (${event.because})`}${event.detail === undefined || event.detail === '' ? '' : `: ${safeLine(event.detail, 400)}`}  ${event.steps} step${event.steps === 1 ? '' : 's'}  ${tokens(event.tokens)}  ${usd(event.costMicroUsd)}`;
    default:
      // A newer worker may have written a kind that this program does not know.
      return safeLine((event satisfies never as { readonly kind: string }).kind);
  }
}

const nextOf: Readonly<Record<string, string>> = {
  retry: 'is tried again',
  ask: 'a human is asked',
  queue: 'goes on over the queue',
  verify: 'is verified',
  fallback: 'another tool is tried',
  escalate: 'a human is asked',
};

function extension(event: Extract<RunEvent, { kind: 'run.extended' }>): string {
  const { costMicroUsd, tokens: more, steps, wallMs } = event;
  return [
    ...(costMicroUsd > 0 ? [usd(costMicroUsd)] : []),
    ...(more > 0 ? [tokens(more)] : []),
    ...(steps > 0 ? [`${steps} step${steps === 1 ? '' : 's'}`] : []),
    ...(wallMs > 0 ? [`${duration(wallMs)} of work`] : []),
  ].join(', ');
}

const attempt = (event: { readonly attempt: number }): string =>
  event.attempt === 1 ? '' : `, attempt ${event.attempt}`;

/** Of an agent with tiers. */
const choice = ({ tier, because }: Extract<RunEvent, { kind: 'model.replied' }>): string =>
  because === undefined
    ? ''
    : ` (${tier === undefined ? '' : `${safeLine(tier)}, `}${safeLine(because, 400)})`;

function replied(event: Extract<RunEvent, { kind: 'model.replied' }>): string {
  switch (event.outcome) {
    case 'final':
      return `gave its output${event.shortCircuit === undefined ? '' : `, and its calls are not made: ${safeLine(event.shortCircuit, 400)}`}${event.problem === undefined ? '' : ` (${safeLine(event.problem, 400)})`}`;
    case 'rejected':
      return `wrote an output that will not do: ${safeLine(event.problem ?? '', 400)}`;
    case 'calls':
      return `asks for ${event.calls.map((call) => `${safeLine(call.tool)}${call.refused === undefined ? '' : ` (${safeLine(call.refused)})`}`).join(', ')}`;
    case 'misfit':
      return 'wrote an output that does not fit';
    case 'refused':
      return 'refused';
    default:
      return safeLine(event.outcome satisfies never);
  }
}
