import {
  type StopFlagChange,
  type StopFlagRow,
  subjectWords,
  flagCovers,
} from '../../storage/stop-flags.ts';
import type { RunRow } from '../../storage/reading-runs.ts';
import { moment } from './amounts.ts';
import { safeLine } from './safe-text.ts';
import { table } from './table.ts';

const reasonCharsShown = 120;

export const flagsTable = (flags: readonly StopFlagRow[]): string =>
  table(
    ['STOPPED', 'REASON', 'BY', 'SINCE (UTC)'],
    flags.map((flag) => [
      safeLine(subjectWords(flag), 140),
      safeLine(flag.reason, reasonCharsShown),
      safeLine(flag.by, 40),
      moment(flag.since),
    ]),
  );

export const flagChangesTable = (changes: readonly StopFlagChange[]): string =>
  table(
    ['AT (UTC)', 'WHAT', 'ACTION', 'REASON', 'BY'],
    changes.map((change) => [
      moment(change.at),
      safeLine(subjectWords(change), 140),
      change.action,
      safeLine(change.reason, reasonCharsShown),
      safeLine(change.by, 40),
    ]),
  );

/** One line for each flag, above what it covers. */
export const flagLines = (flags: readonly StopFlagRow[]): string =>
  flags
    .map(
      (flag) =>
        `! ${safeLine(subjectWords(flag), 140)} is stopped: ${safeLine(flag.reason, reasonCharsShown)} (by ${safeLine(flag.by, 40)} since ${moment(flag.since)} UTC)`,
    )
    .join('\n');

/** The first flag that stops an open run. */
export const flagOver = (
  flags: readonly StopFlagRow[],
  run: Pick<RunRow, 'id' | 'agent' | 'customer' | 'endedAt'>,
): StopFlagRow | undefined =>
  run.endedAt === null
    ? flags.find((flag) =>
        flagCovers(flag, { run: run.id, agent: run.agent, customer: run.customer }),
      )
    : undefined;

/** A row as a program reads it: with the flag that stops it, where one does. */
export function withFlag<Row extends Parameters<typeof flagOver>[1]>(
  flags: readonly StopFlagRow[],
  row: Row,
): Row & { readonly stoppedBy?: StopFlagRow } {
  const stoppedBy = flagOver(flags, row);
  return stoppedBy === undefined ? row : { ...row, stoppedBy };
}
