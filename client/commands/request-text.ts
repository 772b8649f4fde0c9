import type { RequestRow } from '../../storage/requests.ts';
import { duration, moment } from './amounts.ts';
import { indented, safeJson, safeLine, safeText } from './safe-text.ts';

/**
 * A request as the one who decides reads it. Rendered from the call itself, whole, never from a model's
 * words about it: what is hidden here would be approved unseen.
 */
export function requestText(request: RequestRow, now: Date): string {
  const leftMs = request.deadline.getTime() - now.getTime();
  return [
    `${safeLine(request.run, 300)}  ${safeLine(request.position, 60)}`,
    `  ${question(request)}`,
    ...(request.customer === '' ? [] : [`  customer: ${safeLine(request.customer, 128)}`]),
    ...(request.detail === null ? [] : [`  ${safeText(request.detail)}`]),
    '  arguments:',
    indented(safeJson(request.arguments)),
    `  until ${moment(request.deadline)} UTC${leftMs > 0 ? ` (${duration(leftMs)} left)` : ' (passed)'}; unanswered, it does not run`,
  ].join('\n');
}

export const question = (request: Pick<RequestRow, 'kind' | 'tool' | 'agent'>): string =>
  request.kind === 'unknown'
    ? `Nobody knows whether \`${safeLine(request.tool)}\` of ${safeLine(request.agent)} happened. Approve to run it again, deny to leave it.`
    : `May ${safeLine(request.agent)} call \`${safeLine(request.tool)}\`?`;
