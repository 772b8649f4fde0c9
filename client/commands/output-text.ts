import { safeText } from './safe-text.ts';
import type { Terminal } from './terminal.ts';

/** Text as it is and anything else as JSON; a program gets the bytes, a terminal nothing that steers it. */
export function outputText(
  output: unknown,
  { isOutputRead }: Pick<Terminal, 'isOutputRead'>,
): string {
  const text = typeof output === 'string' ? output : JSON.stringify(output, undefined, 2);
  return isOutputRead ? safeText(text) : text;
}
