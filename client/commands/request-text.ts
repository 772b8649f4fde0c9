import type { Evidence, RequestRow } from '../../storage/requests.ts';
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
    ...(request.detail === null || request.detail === '' ? [] : [`  ${safeText(request.detail)}`]),
    ...(request.tool === '' ? [] : ['  arguments:', indented(safeJson(request.arguments))]),
    ...(request.editedArguments === null
      ? []
      : ['  changed by a human to:', indented(safeJson(request.editedArguments))]),
    ...(request.evidence.length === 0 ? [] : ['  attempts:', ...request.evidence.map(attempt)]),
    ...(request.deciders === null
      ? []
      : [
          `  ${request.level > 0 ? 'escalated; ' : ''}may decide: ${request.deciders.map((name) => safeLine(name)).join(', ')}`,
        ]),
    `  until ${moment(request.deadline)} UTC${leftMs > 0 ? ` (${duration(leftMs)} left)` : ' (passed)'}; unanswered, ${consequence(request)}`,
  ].join('\n');
}

type Asked = Pick<RequestRow, 'kind' | 'tool' | 'agent'> &
  Partial<Pick<RequestRow, 'about' | 'isShared'>>;

export function question({ kind, tool, agent, about, isShared = false }: Asked): string {
  const name = safeLine(tool);
  const who = safeLine(agent);
  switch (kind) {
    case 'approval':
      return `May ${who} call \`${name}\`?`;
    case 'unknown':
      return `Nobody knows whether \`${name}\` of ${who} happened. Answer with its result if it did, approve to run it again, deny to leave it.`;
    case 'question':
      return `${who} asks. Answer, or deny to decline.`;
    case 'escalation':
      return about === 'tool'
        ? `\`${name}\` of ${who} failed in every way. Approve to try again, answer with its result, deny to give it up.`
        : `${who} cannot go on (${safeLine(about ?? '')}). ${about === 'budget' ? (isShared ? 'Extend the budget, approve to try again, or deny to stop it.' : 'Extend its limits, or deny to stop it.') : 'Approve to try again, deny to stop it.'}`;
    default:
      return safeLine(kind satisfies never);
  }
}

function consequence({ atDeadline, kind, about }: RequestRow): string {
  if (atDeadline === 'escalate') return 'the level above is asked';
  if (kind === 'question') return 'the model is told that nobody answered';
  return kind === 'escalation' && about !== 'tool' ? 'the run stops' : 'it does not run';
}

const attempt = ({ number, startedAt, endedAt, worker, outcome, code, detail }: Evidence): string =>
  `    ${number}: ${moment(startedAt)} to ${moment(endedAt)} UTC on ${safeLine(worker, 60)}: ${safeLine(outcome)}${code === null ? '' : ` (${safeLine(code)})`}${detail === null ? '' : ` ${detailLine(detail)}`}`;

/** The first line, and that of the cause: the rest is a stack trace, which `--json` has whole. */
export function detailLine(detail: string, charsMax = 200): string {
  const lines = detail.split('\n').map((line) => line.trim());
  const first = lines.find((line) => line !== '') ?? '';
  const cause = lines.find((line) => /^(\[cause\]|caused by):/i.test(line));
  return safeLine(cause === undefined || cause === first ? first : `${first} ${cause}`, charsMax);
}

/** The commands that answer it, each on a line of its own. */
export function waysToDecide(
  request: Pick<RequestRow, 'run' | 'position' | 'kind' | 'about' | 'isShared'>,
): string {
  const { kind, about, isShared } = request;
  const at = `${safeLine(request.run, 300)} ${safeLine(request.position, 60)}`;
  const ways = [
    ...(kind === 'question' || (about === 'budget' && !isShared) ? [] : [`belayer approve ${at}`]),
    ...(kind === 'question' || kind === 'unknown' || about === 'tool'
      ? [`belayer answer ${at} TEXT`]
      : []),
    ...(about === 'budget' ? [`belayer extend ${safeLine(request.run, 300)} --cost-usd N`] : []),
    `belayer deny ${at}`,
  ];
  return `  Decide: ${ways.join('\n          ')}`;
}
