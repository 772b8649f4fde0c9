/**
 * Who says something, why and under which id: what comes beside the thing itself is checked here, before
 * anything is sent. A name that nobody reads is refused, since `edt` for `edit` would approve something else.
 */
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';

export interface WordRules {
  /** Every option that the call reads. */
  readonly known: readonly string[];
  /** Default 'optional'. */
  readonly reason?: 'needed' | 'optional';
  /** 'cut': no stop is refused for the length of its words. Default 'refused'. */
  readonly tooLong?: 'cut' | 'refused';
}

/** @throws InputRejected  Names every mistake in the options of a call. */
export function checkWords(call: string, options: unknown, rules: WordRules): void {
  refuse(`\`${call}\``, wordMistakes(options, rules));
}

/** @throws InputRejected  Where there are any. `subject` is what was said: "`approve`". */
export function refuse(
  subject: string,
  mistakes: readonly string[],
  consequence = 'Nothing was sent.',
): void {
  if (mistakes.length === 0) return;
  throw new BelayerError(
    failureType.inputRejected,
    mistakes.length === 1
      ? `${subject}: ${mistakes[0]}. ${consequence}`
      : `${subject}: ${mistakes.length} mistakes\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}\n${consequence}`,
  );
}

export function wordMistakes(
  options: unknown,
  { known, reason = 'optional', tooLong = 'refused' }: WordRules,
): string[] {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    return [`the options are ${shown(options)}; they must be an object`];
  const given = options as Readonly<Record<string, unknown>>;
  const mistakes = Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => `\`${name}\` is not an option; known are ${known.join(', ')}`);
  const charsMax = (max: number): number => (tooLong === 'cut' ? Infinity : max);
  if (reason === 'needed') {
    const why = given['reason'];
    if (typeof why !== 'string' || why.trim() === '')
      mistakes.push(`\`reason\` is ${shown(why)}; a reason must be given, for the record`);
    else mistakes.push(...textMistakes('reason', why, charsMax(limits.reasonCharsMax)));
  } else if (given['reason'] !== undefined && given['reason'] !== '')
    mistakes.push(...textMistakes('reason', given['reason'], charsMax(limits.reasonCharsMax)));
  if (given['by'] !== undefined)
    mistakes.push(...textMistakes('by', given['by'], charsMax(limits.decidedByCharsMax)));
  if (given['id'] !== undefined)
    mistakes.push(...textMistakes('id', given['id'], limits.messageIdCharsMax));
  if (given['argumentsHash'] !== undefined)
    mistakes.push(...textMistakes('argumentsHash', given['argumentsHash'], limits.keyCharsMax));
  return mistakes;
}

/** Empty where it is a string of 1 to `charsMax` characters. */
export function textMistakes(name: string, value: unknown, charsMax: number): string[] {
  if (typeof value === 'string' && value !== '' && value.length <= charsMax) return [];
  const most = charsMax === Infinity ? 'one character or more' : `1 to ${charsMax} characters`;
  return [`\`${name}\` is ${shown(value)}; it must be a string of ${most}`];
}

/** Texts among the options that no row could hold as they are: another name would be read or written. */
export function unstorableMistakes(options: unknown): string[] {
  if (typeof options !== 'object' || options === null) return [];
  return Object.entries(options)
    .filter(
      ([, value]) => typeof value === 'string' && (value.includes('\0') || /\p{Cs}/u.test(value)),
    ) // prettier-ignore
    .map(([name]) => `\`${name}\` has a NUL or half of a character, which cannot be stored`);
}

/** What a person writes to a model: of a message of a session, and of its first one. */
export function messageMistakes(text: unknown): string[] {
  if (typeof text !== 'string' || text === '')
    return [`\`message\` is ${shown(text)}; it must be a string that is not empty`];
  const bytes = Buffer.byteLength(text);
  return bytes <= limits.inputBytesMax
    ? []
    : [`\`message\` has ${bytes} bytes; at most ${limits.inputBytesMax} are taken`];
}

/** A value in the words of a mistake, never whole where it is long. */
export function shown(value: unknown): string {
  if (typeof value === 'string')
    return value === '' ? 'an empty string' : `a string of ${value.length} characters`;
  if (value === undefined || value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return String(value);
  return Array.isArray(value) ? 'an array' : `of type ${typeof value}`;
}
