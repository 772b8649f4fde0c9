/** What all mails came to, and where to look further. */
import { relative } from 'node:path';
import type { Handled } from './handle-mail.ts';
import { cut, micro, table, visible } from './progress.ts';

export interface Surroundings {
  /** The books against what the runs believe. */
  readonly money: string;
  readonly nominal: boolean;
  readonly temporalUi: string | undefined;
  /** Absent where a mail server of the user's own was given the replies. */
  readonly outbox: string | undefined;
}

export function summarize(handled: readonly Handled[], around: Surroundings): string {
  const withRun = handled.filter((mail) => mail.run !== undefined);
  const sum = (of: (mail: Handled) => number): number =>
    withRun.reduce((total, mail) => total + of(mail), 0);
  const tool = (name: string): number => sum((mail) => mail.tally.tools[name] ?? 0);
  const before = handled.filter((mail) => mail.before).length;
  const calls = sum((mail) => mail.tally.calls);
  const attempts = sum((mail) => mail.tally.attempts);
  const example = withRun.findLast((mail) => mail.end !== 'under way')?.run ?? 'RUN';
  return [
    '',
    table(
      handled
        .toSorted((one, other) => one.file.localeCompare(other.file))
        .map(({ file, resolution, summary, decisions }) => [
          visible(file.replace(/\.eml$/i, '')),
          `${resolution.padEnd(10)}  ${visible(cut([summary, ...decisions.map((each) => `(${each})`)].join(' ')))}`,
        ]),
    ),
    '',
    table([
      ['mails', `${handled.length}${before === 0 ? '' : `, ${before} of them handled before`}`],
      ['outcomes', counted(handled.map((mail) => mail.resolution))],
      ['money', around.money],
      ['replies', String(tool('reply'))],
      ['escalations', String(tool('escalate'))],
      ['calls', `${calls}, in ${attempts} attempts (${attempts - calls} retried)`],
      ['tokens', sum((mail) => mail.tally.tokens).toLocaleString('en')],
      [
        'cost',
        `${micro(sum((mail) => mail.tally.costMicroUsd))}${around.nominal ? ', at the nominal price of the stand-in: nobody is billed' : ''}`,
      ],
    ]),
    '',
    table([
      ['all runs', 'npx belayer runs'],
      ['one run', `npx belayer show ${example}`],
      ...(around.outbox === undefined
        ? []
        : [['replies sent', relative('', around.outbox)] as const]),
      ...(around.temporalUi === undefined
        ? []
        : [
            [
              'Temporal',
              `${around.temporalUi} (up until 30 s after the last program ends)`,
            ] as const,
          ]),
    ]),
    '',
  ].join('\n');
}

function counted(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ');
}
