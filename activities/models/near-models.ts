import { findProvider } from '@pydantic/genai-prices';
import { priceOf } from './prices.ts';

/** Providers whose models are called by their bare names; gateways list the same models again. */
const providers = ['openai', 'anthropic', 'google', 'mistral', 'deepseek', 'x-ai', 'groq', 'cohere', 'perplexity', 'moonshotai', 'cerebras'] as const; // prettier-ignore

const suggestionsMax = 3;

/**
 * Names with a price that a misspelt one may mean, the nearest first, at most three. Looked for among some hundreds,
 * in a few milliseconds: for refusals, not for calls.
 */
export function nearModels(
  model: string,
  at: Date,
  others: readonly string[] = [],
): readonly string[] {
  const wanted = model.toLowerCase();
  const farthest = Math.max(1, Math.floor(wanted.length / 4));
  const known = providers.flatMap((id) => findProvider({ providerId: id })?.models.map((each) => each.id) ?? []); // prettier-ignore
  return [...new Set([...others, ...known])]
    .filter((name) => name !== model)
    .map((name) => ({ name, far: editsBetween(wanted, name.toLowerCase(), farthest) }))
    .filter(({ far }) => far <= farthest)
    .toSorted((a, b) => a.far - b.far || a.name.localeCompare(b.name))
    .map(({ name }) => name)
    .filter((name) => others.includes(name) || priceOf(name, { at }) !== undefined)
    .slice(0, suggestionsMax);
}

/** Letters to put in, take out or change; more than `max` where it is more. */
function editsBetween(one: string, other: string, max: number): number {
  if (Math.abs(one.length - other.length) > max) return max + 1;
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1)
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1),
      );
    row = next;
  }
  return row[other.length] ?? max + 1;
}
