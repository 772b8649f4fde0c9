import type { JsonSchema } from './chat-request.ts';
import { jsonOrText } from './conversation.ts';
import { namedValues, plainKey } from './named-values.ts';

/**
 * Fills a tool's required parameters from what the user wrote, or gives up: nothing is invented.
 *
 * A value comes from JSON in the text under the parameter's own name, or from the kind of token that the parameter's
 * schema, name or description asks for: an id such as A-17, an e-mail address, a URL, a date, a number, a quoted string.
 * @returns undefined where a required parameter cannot be filled.
 */
export function fillArguments(
  parameters: JsonSchema | undefined,
  userText: string,
): Record<string, unknown> | undefined {
  const text = userText.slice(0, textCharsMax);
  const context = { text, named: namedValues(jsonOrText(text)) };
  const filled: Record<string, unknown> = {};
  for (const name of parameters?.required ?? []) {
    const value = fill(name, parameters?.properties?.[name] ?? {}, context);
    if (value === undefined) return undefined;
    filled[name] = value;
  }
  return filled;
}

const textCharsMax = 20_000;

interface Context {
  readonly text: string;
  readonly named: ReadonlyMap<string, string | number | boolean>;
}

function fill(name: string, schema: JsonSchema, context: Context): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum !== undefined)
    return schema.enum.find((value) => hasWord(context.text, String(value)));
  const named = context.named.get(plainKey(name));
  switch (typeOf(schema)) {
    case 'string':
      return typeof named === 'string' ? named : stringFor(name, schema, context.text);
    case 'number':
    case 'integer': {
      const value = typeof named === 'number' ? named : numberFor(name, context.text);
      return typeOf(schema) === 'integer' && !Number.isInteger(value) ? undefined : value;
    }
    case 'array': {
      const item = fill(name.replace(/s$/u, ''), schema.items ?? {}, context);
      return item === undefined ? undefined : [item];
    }
    case 'object':
      return fillArguments(schema, context.text);
    default:
      return named;
  }
}

function typeOf(schema: JsonSchema): string {
  return (
    (typeof schema.type === 'string'
      ? schema.type
      : schema.type?.find((type) => type !== 'null')) ?? 'any'
  );
}

/** What a parameter wants, by its words, and the tokens of a text that are that. First match wins. */
const kinds: readonly { readonly words: RegExp; readonly token: RegExp }[] = [
  { words: /\be-?mail|\bmail/iu, token: /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/gu },
  {
    words: /\bur[il]\b|\blink\b|\bwebsite\b/iu,
    token: /https?:\/\/[^\s<>"')\]]*[^\s<>"')\].,;:!?]/gu,
  },
  { words: /\bdate\b|\bday\b/iu, token: /\b\d{4}-\d{2}-\d{2}\b/gu },
  {
    words:
      /\bids?\b|\bnumber\b|\bno\b|\bnr\b|\bcode\b|\bsku\b|\bref(?:erence)?\b|\bkey\b|\border\b|\bticket\b|\binvoice\b|\btracking\b/iu,
    // Letters and digits together, joined or not ('A-17', 'INV_2024_9', 'ord42'); then plain numbers.
    token:
      /(?<![\w@.-])(?=[\w#-]*\d)(?=[\w#-]*[A-Za-z])[A-Za-z0-9]+(?:[-_#][A-Za-z0-9]+)*(?![\w@])|(?<![\w.@-])\d{2,}(?![\w@-]|\.\d)/gu,
  },
];
const quoted = /"([^"]{1,500})"|“([^”]{1,500})”|(?<!\w)'([^']{1,500})'(?!\w)/u;
const freeText =
  /\b(?:query|question|search|text|term|terms|keywords|topic|subject|message|prompt|phrase|request)\b/iu;
const properName = /\b(?:city|location|place|country|name|town|person|company)\b/iu;
const capitalised = /(?<=[a-z,:]\s)\p{Lu}[\p{L}'-]+(?:\s\p{Lu}[\p{L}'-]+)*/u;

function stringFor(name: string, schema: JsonSchema, text: string): string | undefined {
  const own = wordsOf(name);
  const all = `${own} ${schema.format ?? ''} ${schema.description ?? ''}`;
  const fits = fitting(schema);
  // The name says more than the description: `customer email` beats "the id of the order that the e-mail names".
  for (const words of [`${own} ${schema.format ?? ''}`, all]) {
    const kind = kinds.find((each) => each.words.test(words));
    if (kind !== undefined)
      return nearest(
        own,
        [...text.matchAll(kind.token)].filter((match) => fits(match[0])),
        text,
      );
  }
  const quote = quoted.exec(text);
  const inner = quote?.[1] ?? quote?.[2] ?? quote?.[3];
  if (inner !== undefined && fits(inner)) return inner;
  if (properName.test(all)) {
    const found = capitalised.exec(text)?.[0];
    return found !== undefined && fits(found) ? found : undefined;
  }
  const whole = text.trim().slice(0, 500);
  return freeText.test(all) && whole !== '' && fits(whole) ? whole : undefined;
}

function numberFor(name: string, text: string): number | undefined {
  const matches = [...text.matchAll(/(?<![\w.@#-])-?\d+(?:\.\d+)?(?![\w@-]|\.\d)/gu)];
  const found = nearest(wordsOf(name), matches, text);
  return found === undefined ? undefined : Number(found);
}

/** The match that a word of the parameter's name stands right before; else the first. */
function nearest(
  words: string,
  matches: readonly RegExpExecArray[],
  text: string,
): string | undefined {
  const before = (match: RegExpExecArray) =>
    text.slice(Math.max(0, match.index - 25), match.index).toLowerCase();
  const own = words
    .toLowerCase()
    .split(' ')
    .filter((word) => word.length > 2);
  return (
    matches.find((match) => own.some((word) => before(match).includes(word))) ?? matches[0]
  )?.[0];
}

function fitting(schema: JsonSchema): (value: string) => boolean {
  const pattern = schema.pattern === undefined ? undefined : regExpOf(schema.pattern);
  return (value) =>
    (pattern === undefined || pattern.test(value)) &&
    value.length >= (schema.minLength ?? 0) &&
    value.length <= (schema.maxLength ?? Infinity);
}

function regExpOf(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
}

/** 'orderId' and 'order_id' -> 'order id'. */
function wordsOf(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/gu, '$1 $2').replaceAll(/[_-]+/gu, ' ');
}

function hasWord(text: string, word: string): boolean {
  return (
    word !== '' &&
    ` ${text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, ' ')} `.includes(
      ` ${word
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
        .trim()} `,
    )
  );
}
