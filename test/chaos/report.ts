/** What a campaign came to, for a person. */
import type { CampaignResult } from './campaigns.ts';

const violationsShownMax = 10;

export function renderResult({ campaign, seed, checks, figures }: CampaignResult): string {
  const lines = [`${campaign}, seed ${seed}`, ''];
  for (const [name, value] of Object.entries(figures))
    lines.push(`  ${name.padEnd(24)} ${show(value)}`);
  lines.push('', `  ${'looked'.padStart(7)} ${'broken'.padStart(7)}`);
  for (const { holds, looked, violations } of checks) {
    lines.push(
      `  ${String(looked).padStart(7)} ${String(violations.length).padStart(7)}  ${holds}`,
    );
    for (const said of violations.slice(0, violationsShownMax))
      lines.push(`${' '.repeat(19)}- ${said}`);
    if (violations.length > violationsShownMax)
      lines.push(`${' '.repeat(19)}- and ${violations.length - violationsShownMax} more`);
  }
  return lines.join('\n');
}

function show(value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 10) / 10);
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join('\n');
  if (typeof value !== 'object' || value === null) return String(value);
  const shown = Object.entries(value).map(([name, inner]) => `${name} ${show(inner)}`);
  return shown.length === 0 ? 'none' : shown.join(', ');
}

export const isSound = (result: CampaignResult): boolean =>
  result.checks.every(({ violations }) => violations.length === 0);
