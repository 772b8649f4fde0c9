/** What `JSON.parse` keeps silent about: of a key that is there twice, the last would win. */

/** Keys that an object at the top of a JSON text has more than once, each once, in their order. */
export function duplicateKeys(json: string): readonly string[] {
  const counts = new Map<string, number>();
  let depth = 0;
  let last: string | undefined;
  // Strings as wholes, so that what is in them is no punctuation.
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}:,]/gs)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (token === ':' && depth === 1 && last !== undefined)
      counts.set(last, (counts.get(last) ?? 0) + 1);
    // The same name may be written with escapes.
    last = token.startsWith('"') ? (JSON.parse(token) as string) : undefined;
  }
  return [...counts].filter(([, count]) => count > 1).map(([key]) => key);
}
