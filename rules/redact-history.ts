/** What people and models said is in a history inside of payloads, in base64: it is opened to be redacted. */
export interface RedactedHistory {
  readonly history: unknown;
  readonly isChanged: boolean;
  /** Payloads of another encoding than plain JSON, encrypted ones for example. */
  readonly opaquePayloads: number;
}

/** `redact` is given each payload's JSON value, and each other text. */
export function redactHistory(
  history: unknown,
  redact: (value: unknown) => unknown,
): RedactedHistory {
  let isChanged = false;
  let opaquePayloads = 0;
  const changed = (before: unknown, after: unknown): boolean =>
    JSON.stringify(before) !== JSON.stringify(after);
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') {
      const after = redact(value);
      if (after !== value) isChanged = true;
      return after;
    }
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map(walk);
    const payload = value as { metadata?: { encoding?: unknown }; data?: unknown };
    if (typeof payload.data === 'string' && typeof payload.metadata?.encoding === 'string') {
      const encoding = fromBase64(payload.metadata.encoding);
      if (!encoding.startsWith('json/')) {
        if (encoding !== 'binary/null') opaquePayloads += 1;
        return value;
      }
      const before = parse(fromBase64(payload.data));
      const after = redact(before);
      if (!changed(before, after)) return value;
      isChanged = true;
      return { ...payload, data: toBase64(JSON.stringify(after)) };
    }
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item)]));
  };
  return { history: walk(history), get isChanged() { return isChanged; }, get opaquePayloads() { return opaquePayloads; } }; // prettier-ignore
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const fromBase64 = (text: string): string =>
  new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
const toBase64 = (text: string): string =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''));
