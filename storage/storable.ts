/**
 * What models and tools say may hold what PostgreSQL does not keep: NUL in any text, and half a
 * surrogate pair in `jsonb`. Both become U+FFFD here, so that a reply is never lost for one character.
 */
export const storableText = (text: string): string =>
  text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text;

/** JSON text for a `jsonb` parameter. */
export function storableJson(value: unknown): string {
  const text = JSON.stringify(value);
  // The escapes are rare, and looking for them is cheap.
  return suspicious.test(text) ? JSON.stringify(clean(value)) : text;
}

const suspicious = /\\u(0000|[dD][89abcdefABCDEF])/;
const unstorable =
  // eslint-disable-next-line no-control-regex -- NUL is what is looked for.
  /\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function clean(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(unstorable, '\ufffd');
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key.replace(unstorable, '\ufffd'), clean(item)]),
  );
}
