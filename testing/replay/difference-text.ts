import { limits } from '../../contracts/limits.ts';
import type { ReplayDifference } from './difference.ts';

/** A difference in a few lines, its two sides below each other. Text in it is foreign: escape it for a terminal. */
export function differenceText(difference: ReplayDifference): string {
  const { run, execution, eventId, path, temporal } = difference;
  const lines = [
    `Run ${run} differs ${placeOf(difference)}: ${sentences[difference.what](difference.command)}`,
    `  execution ${execution}, event ${eventId}${path === undefined || path === '' ? '' : `, ${path}`}`,
  ];
  if (difference.what !== 'refused' || difference.recorded !== undefined)
    lines.push(`  recorded  ${valueText(difference.recorded)}`);
  if (difference.what !== 'refused') lines.push(`  today     ${valueText(difference.today)}`);
  if (temporal !== undefined) lines.push(`  Temporal  ${temporal}`);
  return lines.join('\n');
}

export const placeOf = ({
  position,
  positionIs,
}: Pick<ReplayDifference, 'position' | 'positionIs'>): string =>
  position === undefined
    ? 'at its start'
    : positionIs === 'its-own'
      ? `at ${position}`
      : `behind ${position}`;

const sentences: Readonly<Record<ReplayDifference['what'], (command: string) => string>> = {
  value: (command) => `${command} with another value.`,
  missing: (command) => `today's code does not do this any more: ${command}.`,
  extra: (command) => `today's code does this in addition: ${command}.`,
  'other-command': (command) => `today's code does something else in place of ${command}.`,
  refused: (command) => `today's code does not come as far as ${command}.`,
  executions: (command) => `${command} is not what the execution before it handed over.`,
};

function valueText(value: unknown): string {
  const text = value === undefined ? '(nothing)' : JSON.stringify(value);
  const max = limits.replayValueCharsMax;
  return text.length > max ? `${text.slice(0, max)}… (${text.length} characters)` : text;
}
