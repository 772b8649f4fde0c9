import type { ExportReport } from '../../storage/recordings/export-rows.ts';
import { safeText } from './safe-text.ts';

/** What was exported, and what of it was redacted, for a person. */
export function exportText(report: ExportReport, file: string | undefined): string {
  const { runs, prompts, end, seal } = report;
  const { redactions, shortValues, opaquePayloads } = end;
  const gone = end.void;
  const count = (number: number, what: string): string =>
    `${number} ${what}${number === 1 ? '' : 's'}`;
  const lines = [
    `${file === undefined ? 'Recorded' : safeText(file)}: ${count(runs, 'run')}, ${count(end.counts['history'] ?? 0, 'execution')}, ${count(prompts, 'prompt')} verified, SHA-256 ${seal}.`,
  ];
  const byRule = new Map<string, { values: number; places: number }>();
  for (const { rule, count: values } of redactions) {
    const sum = byRule.get(rule) ?? { values: 0, places: 0 };
    byRule.set(rule, { values: sum.values + values, places: sum.places + 1 });
  }
  for (const [rule, sum] of byRule)
    lines.push(
      `  redacted by ${safeText(rule)}: ${sum.values} times in ${count(sum.places, 'place')}`,
    );
  if (redactions.length > 0)
    lines.push(
      `  no longer verifiable because of it: ${count(gone.prompts.length, 'prompt')}, ${count(gone.content.length, 'content hash').replace('hashs', 'hashes')}, payloads of ${count(gone.histories.length, 'execution')}`,
    );
  if (shortValues > 0)
    lines.push(
      `  ${count(shortValues, 'value')} too short to be looked for outside of the named field`,
    );
  if (opaquePayloads > 0)
    lines.push(
      `  ${count(opaquePayloads, 'payload')} not plain JSON: nothing was looked for in them`,
    );
  return lines.join('\n');
}
