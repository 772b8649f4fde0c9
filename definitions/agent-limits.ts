import type { RunLimits } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import type { Limits } from './agent-spec.ts';
import type { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';

const known: readonly (keyof Limits)[] = [
  'costUsd',
  'tokens',
  'steps',
  'wall',
  'outputTokens',
  'contextTokens',
  'toolResultTokens',
];

/** The limits of an agent's runs, with the defaults where it says nothing. */
export function readLimits(value: unknown, read: FieldReader, mistakes: Mistakes): RunLimits {
  const fields = read.object('limits', value);
  checkKeys(fields, { where: 'limits.', known }, mistakes);
  const contextTokens =
    read.count('limits.contextTokens', fields['contextTokens'], 'contextTokensMax') ??
    limits.contextTokensDefault;
  const toolResultTokens = read.count(
    'limits.toolResultTokens',
    fields['toolResultTokens'],
    'toolResultTokensMax',
  );
  if (toolResultTokens !== undefined && toolResultTokens > contextTokens) {
    mistakes.add(
      `\`limits.toolResultTokens\` (${toolResultTokens}) is more than \`contextTokens\` (${contextTokens}), so such a result would fit no prompt`,
    );
  }
  return {
    costMicroUsd: readCost(fields['costUsd'], mistakes) ?? limits.runCostMicroUsdDefault,
    tokens:
      read.count('limits.tokens', fields['tokens'], 'runTokensMax') ?? limits.runTokensDefault,
    steps: read.count('limits.steps', fields['steps'], 'runStepsMax') ?? limits.runStepsDefault,
    wallMs: read.duration('limits.wall', fields['wall'], 'runWallMsMax') ?? limits.runWallMsDefault,
    outputTokens:
      read.count('limits.outputTokens', fields['outputTokens'], 'outputTokensMax') ??
      limits.outputTokensDefault,
    contextTokens,
    toolResultTokens: toolResultTokens ?? Math.min(limits.toolResultTokensDefault, contextTokens),
  };
}

function readCost(usd: unknown, mistakes: Mistakes): number | undefined {
  if (usd === undefined) return undefined;
  const micro = typeof usd === 'number' && Number.isFinite(usd) ? toMicroUsd(usd) : 0;
  if (micro >= 1 && micro <= limits.runCostMicroUsdMax) return micro;
  mistakes.add(
    `\`limits.costUsd\`: ${show(usd)} must be a number of US dollars from 0.000001 to ${limits.runCostMicroUsdMax / 1_000_000}`,
  );
  return undefined;
}

/** Rounded down, after 15 digits: 8.2 dollars are 8,199,999.999999999 in binary, and 8,200,000 here. */
export function toMicroUsd(usd: number): number {
  return Math.floor(Number((usd * 1_000_000).toPrecision(15)));
}
