/** Every place where two JSON values differ, in the order of the first one. */

export interface ValueDifference {
  /** `items[2].price`; empty where the whole value differs. */
  readonly path: string;
  /** `undefined` where one side has nothing. */
  readonly a: unknown;
  readonly b: unknown;
}

/** At most `max` of them. Equal values with keys in another order are equal. */
export function valueDifferences(
  a: unknown,
  b: unknown,
  max: number,
  path = '',
): readonly ValueDifference[] {
  const found: ValueDifference[] = [];
  collect({ a, b, path }, max, found);
  return found;
}

function collect({ a, b, path }: ValueDifference, max: number, found: ValueDifference[]): void {
  if (found.length >= max || Object.is(a, b)) return;
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) {
    found.push({ path, a, b });
    return;
  }
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)]))
    collect({ a: own(a, name), b: own(b, name), path: inside(path, name, Array.isArray(a)) }, max, found); // prettier-ignore
}

/** `a.b`, `a[0]`, and `a["with space"]` where a name could be read as more than one. */
function inside(path: string, name: string, isIndex: boolean): string {
  if (isIndex) return `${path}[${name}]`;
  if (!/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(name)) return `${path}[${JSON.stringify(name)}]`;
  return path === '' ? name : `${path}.${name}`;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const own = (value: Record<string, unknown>, name: string): unknown =>
  Object.hasOwn(value, name) ? value[name] : undefined;
