/**
 * Text of models, tools and callers, fit for a terminal.
 *
 * An escape sequence could repaint what an approver reads, and a bidirectional control or an invisible
 * character could make two texts look alike: each is shown as `\u{...}`, never carried out.
 */

// Controls but tab and line feed, format characters (bidirectional, zero width, tags, soft hyphen), lone
// surrogates, line and paragraph separators; then letters that draw nothing, and selectors that hide bytes.
const unsafe =
  /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|\u115f|\u1160|\u2800|\u3164|\uffa0|[\u{e0100}-\u{e01ef}]/gu;

/** Keeps line feeds and tabs. */
export const safeText = (text: string): string =>
  text.replace(unsafe, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);

/** On one line, cut at `charsMax`. */
export function safeLine(text: string, charsMax = 200): string {
  const points = Array.from(safeText(text.slice(0, charsMax * 4)).replaceAll(/[\n\t]+/g, ' '));
  const isCut = points.length > charsMax || text.length > charsMax * 4;
  return isCut ? `${points.slice(0, charsMax - 1).join('')}…` : points.join('');
}

/** JSON over several lines where the text is JSON, with what is left of it escaped; else the text. */
export function safeJson(text: string): string {
  try {
    return safeText(JSON.stringify(JSON.parse(text), undefined, 2));
  } catch {
    return safeText(text);
  }
}

export const indented = (text: string, by = '    '): string =>
  text
    .split('\n')
    .map((line) => `${by}${line}`)
    .join('\n');
