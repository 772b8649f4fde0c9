import { bareModelName } from './model-name.ts';
import { splitLongRuns } from './split-long-runs.ts';

type EncodingName = 'o200k_base' | 'cl100k_base';

interface Encoding {
  countTokens(text: string, options: { disallowedSpecial: Set<string> }): number;
}

/** First match wins. gpt-oss has o200k_harmony, which differs from o200k_base in special tokens only. */
const encodingByFamily: readonly { readonly name: RegExp; readonly encoding: EncodingName }[] = [
  { name: /^(gpt-4o|chatgpt-4o|gpt-4\.[15]|gpt-5|gpt-oss|o[134](-|$))/u, encoding: 'o200k_base' },
  { name: /^(gpt-4(-|$)|gpt-3\.5-turbo)/u, encoding: 'cl100k_base' },
];

/** One import per encoding: each is megabytes, and takes about a third of a second. */
const imports: Readonly<Record<EncodingName, () => Promise<Encoding>>> = {
  o200k_base: () => import('gpt-tokenizer/encoding/o200k_base'),
  cl100k_base: () => import('gpt-tokenizer/encoding/cl100k_base'),
};

/**
 * Longest text that is counted, in characters. Beyond it the bound is used: counting is synchronous, and
 * a worker must not stand still for one document.
 */
const countedCharsMax = 400_000;

function encodingOf(model: string): EncodingName | undefined {
  const name = bareModelName(model);
  return encodingByFamily.find((family) => family.name.test(name))?.encoding;
}

export function isTokenizerKnown(model: string): boolean {
  return encodingOf(model) !== undefined;
}

/**
 * Tokens of a text: exact for OpenAI's models, `tokensUpperBound` of its bytes for others, for very long texts, and
 * for runs of more than 500 letters, spaces or signs without a break. Never fewer than the exact number.
 *
 * Of the text alone: the few tokens that a chat template puts around each message are not in it. Text that looks like
 * a special token counts as the text that it is.
 */
export async function tokensOf(text: string, model: string): Promise<number> {
  const name = encodingOf(model);
  if (name === undefined || text.length > countedCharsMax)
    return tokensUpperBound(Buffer.byteLength(text));
  const encoding = await imports[name]();
  let tokens = 0;
  for (const part of splitLongRuns(text)) {
    tokens += part.isRun
      ? tokensUpperBound(Buffer.byteLength(part.text))
      : encoding.countTokens(part.text, asPlainText);
  }
  return tokens;
}

const asPlainText = { disallowedSpecial: new Set<string>() };

/**
 * The most tokens that so many bytes of UTF-8 can be: a token of a byte-level vocabulary (BPE, or SentencePiece with
 * byte fallback) stands for at least one byte. True for a whole request body too, whose JSON around a message
 * is longer than the tokens that a chat template puts there. Not true for tokenizers that first rewrite text into a
 * longer form (NFKC), which no chat model that we know does.
 */
export function tokensUpperBound(bytes: number): number {
  return bytes;
}
