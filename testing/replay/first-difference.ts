/** The first place where two plain values differ. */

export interface ValueDifference {
  /** `input[0].transcript.head`; empty where the whole value differs. */
  readonly path: string;
  /** `undefined` where one side has nothing. */
  readonly recorded: unknown;
  readonly today: unknown;
}

export function firstDifference(
  recorded: unknown,
  today: unknown,
  path = '',
): ValueDifference | undefined {
  if (Object.is(recorded, today)) return undefined;
  if (isObject(recorded) && isObject(today) && Array.isArray(recorded) === Array.isArray(today)) {
    // In the recorded order, so that what is told first is what is read first.
    const names = new Set([...Object.keys(recorded), ...Object.keys(today)]);
    for (const name of names) {
      const inner = Array.isArray(recorded)
        ? `${path}[${name}]`
        : `${path}${path === '' ? '' : '.'}${name}`;
      const found = firstDifference(own(recorded, name), own(today, name), inner);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return { path, recorded, today };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const own = (value: Record<string, unknown>, name: string): unknown =>
  Object.hasOwn(value, name) ? value[name] : undefined;
