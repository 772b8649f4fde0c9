/**
 * Every scalar in a JSON value by its key, lower case with only letters and digits ('orderId' and 'order_id' are one).
 * The first of a key stands. At most `valuesMax` are read.
 */
export function namedValues(...sources: unknown[]): Map<string, string | number | boolean> {
  const found = new Map<string, string | number | boolean>();
  const read = (value: unknown, key: string): void => {
    if (found.size >= valuesMax || value === null || value === undefined) return;
    if (typeof value === 'object') {
      for (const [name, inner] of Object.entries(value))
        read(inner, Array.isArray(value) ? key : plainKey(name));
    } else if (
      (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') &&
      key !== '' &&
      !found.has(key)
    ) {
      found.set(key, value);
    }
  };
  for (const source of sources) read(source, '');
  return found;
}

const valuesMax = 500;

export function plainKey(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
}
