/**
 * The one text of a JSON value: keys sorted by UTF-16 code units, no white space, numbers as
 * ECMAScript prints them (RFC 8785). Equal values give equal bytes, so hashes of it can be compared.
 *
 * @throws TypeError  A value that JSON cannot hold exactly: non-finite numbers, bigint, functions,
 *                    symbols, or a structure deeper than `depthMax`.
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

/** Deeper structures are cycles or attacks: no tool's arguments need them. */
const depthMax = 200;

function write(value: unknown, depth: number): string {
  if (depth > depthMax) throw new TypeError(`JSON is nested deeper than ${depthMax} levels.`);
  if (value === null || typeof value === 'boolean' || typeof value === 'string')
    return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`${value} is not a JSON number.`);
    return JSON.stringify(value);
  }
  if (typeof value !== 'object') throw new TypeError(`A ${typeof value} is not a JSON value.`);
  if (Array.isArray(value))
    return `[${value.map((item) => write(item ?? null, depth + 1)).join(',')}]`;
  const toJson = (value as { toJSON?: unknown }).toJSON;
  if (typeof toJson === 'function') return write(toJson.call(value), depth + 1);
  const record = value as Record<string, unknown>;
  const members: string[] = [];
  for (const key of Object.keys(record).toSorted()) {
    if (record[key] === undefined) continue;
    members.push(`${JSON.stringify(key)}:${write(record[key], depth + 1)}`);
  }
  return `{${members.join(',')}}`;
}
