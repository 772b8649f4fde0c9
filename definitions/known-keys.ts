import type { Mistakes } from './mistakes.ts';

/**
 * Names every key that is not understood: a key that nobody reads is a promise that nobody keeps.
 *
 * A key whose value is `undefined` counts as absent.
 *
 * @param where prefix of the key in messages: `''`, `limits.` ...
 * @param later keys of features to come, which must not be ignored in silence.
 */
export function checkKeys(
  value: object,
  keys: {
    readonly where: string;
    readonly known: readonly string[];
    readonly later?: readonly string[];
  },
  mistakes: Mistakes,
): void {
  for (const [key, content] of Object.entries(value)) {
    if (content === undefined || keys.known.includes(key)) continue;
    const name = `\`${keys.where}${key}\``;
    if (keys.later?.includes(key) === true) {
      mistakes.add(`${name} is not available yet`);
      continue;
    }
    const close = closest(key, keys.known);
    mistakes.add(
      close === undefined
        ? `${name} is not known; known here: ${keys.known.join(', ')}`
        : `${name} is not known; did you mean \`${close}\`?`,
    );
  }
}

/** The known word that was probably meant: two typing mistakes away, or a beginning of each other. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.min(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(lower, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return (
    best ??
    known.find((candidate) => {
      const other = candidate.toLowerCase();
      return lower.length >= 3 && (other.startsWith(lower) || lower.startsWith(other));
    })
  );
}

/** Insertions, deletions and replacements that turn one word into the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replace = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
