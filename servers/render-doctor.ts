import type { DoctorReport } from './doctor.ts';

const signs = { good: 'ok', note: 'note', absent: 'absent', wrong: 'WRONG' } as const;

/** The report as lines for a terminal; what a person can do stands below what was found. */
export function renderDoctor(report: DoctorReport): string[] {
  const width = Math.max(...report.findings.map(({ what }) => what.length));
  const lines = report.findings.flatMap(({ what, state, said, version, toDo }) => [
    `${signs[state].padEnd(7)} ${what.padEnd(width)}  ${said}${version === undefined ? '' : ` (${version})`}`,
    ...(toDo === undefined ? [] : [`${' '.repeat(8 + width)}  -> ${toDo}`]),
  ]);
  return [
    ...lines,
    report.healthy
      ? 'Nothing stops Belayer from running here.'
      : 'Belayer cannot run here until what is WRONG is put right.',
  ];
}
