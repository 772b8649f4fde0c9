const shownCharsMax = 80;

/** A value as a message shows it: on one line, cut, and never throwing. */
export function show(value: unknown): string {
  if (typeof value === 'function')
    return value.name === '' ? 'a function' : `function ${value.name}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return cut(JSON.stringify(value));
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return cut(JSON.stringify(value) ?? 'an object');
  } catch {
    return 'an object';
  }
}

function cut(text: string): string {
  return text.length <= shownCharsMax ? text : `${text.slice(0, shownCharsMax - 3)}...`;
}
