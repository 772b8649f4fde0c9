import type { Verdict } from './replay-runs.ts';
import { differenceText } from '../../testing/replay/difference-text.ts';

/** Verdicts as a JUnit report, which pipelines read: one test case per run. */
export function junitText(verdicts: readonly Verdict[]): string {
  const count = (is: (verdict: Verdict) => boolean): number => verdicts.filter(is).length;
  const failures = count(differs);
  const errors = count(({ kind }) => kind === 'failed');
  const skipped = count(({ kind }) => kind === 'not-held' || kind === 'not-reached');
  const seconds = verdicts.reduce((sum, { ms }) => sum + ms, 0) / 1000;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites><testsuite name="belayer replay" tests="${verdicts.length}" failures="${failures}" errors="${errors}" skipped="${skipped}" time="${seconds.toFixed(3)}">`,
    ...verdicts.map(
      (verdict) =>
        `<testcase classname="${xml(verdict.agent)}" name="${xml(verdict.id)}" time="${(verdict.ms / 1000).toFixed(3)}">${resultOf(verdict)}</testcase>`,
    ),
    '</testsuite></testsuites>',
    '',
  ].join('\n');
}

export const differs = (verdict: Verdict): boolean =>
  verdict.kind === 'replayed' && verdict.replayed.difference !== undefined;

function resultOf(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'replayed': {
      const { difference } = verdict.replayed;
      if (difference === undefined) return '';
      const text = differenceText(difference);
      return `<failure message="${xml(text.split('\n')[0] ?? '')}">${xml(text)}</failure>`;
    }
    case 'failed':
      return `<error message="${xml(verdict.because)}"/>`;
    case 'not-held':
      return `<skipped message="${xml(verdict.because)}"/>`;
    case 'not-reached':
      return '<skipped message="The time was over."/>';
    default:
      return verdict satisfies never;
  }
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
};

/** XML 1.0 has no place for most control characters and for halves of surrogate pairs. */
const xml = (text: string): string =>
  text
    .replaceAll(/(?![\n\t\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, '\ufffd')
    .replaceAll(/[&<>"\n]/g, (found) => entities[found] ?? found);
