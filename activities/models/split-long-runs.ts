/**
 * Cuts a text around its long runs of one kind of character, in one pass.
 *
 * Byte-pair encoding takes quadratic time in the length of an unbroken run: 50 000 times 'a' stands for 1.5 s of a
 * worker that does nothing else, 400 000 spaces for minutes. A tool result may hold such a run by accident or by malice.
 */
export function splitLongRuns(
  text: string,
): readonly { readonly text: string; readonly isRun: boolean }[] {
  const parts: { text: string; isRun: boolean }[] = [];
  let taken = 0;
  let start = 0;
  let kind = wild;
  const endRun = (end: number) => {
    if (end - start <= runCharsMax || kind === digit) return;
    if (start > taken) parts.push({ text: text.slice(taken, start), isRun: false });
    parts.push({ text: text.slice(start, end), isRun: true });
    taken = end;
  };
  for (let at = 0; at < text.length; at++) {
    const next = kindOf(text.charCodeAt(at));
    if (next === kind || next === wild) continue;
    if (kind !== wild) {
      endRun(at);
      start = at;
    }
    kind = next;
  }
  endRun(text.length);
  if (taken < text.length) parts.push({ text: text.slice(taken), isRun: false });
  return parts;
}

/** A run of 500 is counted in 0.2 ms. */
const runCharsMax = 500;

// The classes by which the encodings cut a text before they merge. Digits are cut into threes, so their runs do no harm.
const unread = 0;
const letter = 1;
const digit = 2;
const space = 3;
const other = 4;
/** Half of a surrogate pair: letter or not, it prolongs whatever run it stands in. */
const wild = 5;

const kinds = new Uint8Array(0x10000);

function kindOf(unit: number): number {
  const known = kinds[unit] ?? unread;
  if (known !== unread) return known;
  const kind = unit >= 0xd800 && unit <= 0xdfff ? wild : kindOfCharacter(String.fromCharCode(unit));
  kinds[unit] = kind;
  return kind;
}

function kindOfCharacter(character: string): number {
  if (/[\p{L}\p{M}]/u.test(character)) return letter;
  if (/\p{N}/u.test(character)) return digit;
  return /\s/u.test(character) ? space : other;
}
