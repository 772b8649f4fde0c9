/**
 * Takes secrets and chosen fields out of texts and JSON values.
 *
 * 1. A value that a rule finds once is looked for everywhere, also where no rule would know it: `learn`
 *    goes over everything first, `redact` after it.
 * 2. JSON inside of strings is opened, and written again only where something of it was taken out.
 * 3. Nothing remembers or reports a value: rules have names, and patterns of a caller are numbered, since
 *    one may be the secret itself.
 */
import { limits } from '../contracts/limits.ts';

export interface RedactionRule {
  readonly name: string;
  /** Global. What it matches is the secret, whole. */
  readonly pattern: RegExp;
}

/** Things that look like secrets, whoever made them. */
export const secretRules: readonly RedactionRule[] = [
  {
    name: 'private-key',
    pattern: /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?-----END [A-Z ]{0,40}PRIVATE KEY-----/g,
  },
  { name: 'bearer-token', pattern: /(?<=\bbearer\s{1,4})[\w.~+/-]{16,}=*/gi },
  { name: 'json-web-token', pattern: /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*/g },
  {
    name: 'api-key',
    pattern:
      /\b(?:(?:sk|pk|rk)[-_][\w-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_\w{30,}|github_pat_\w{22,}|glpat-[\w-]{18,}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}|whsec_[\w+/]{24,}=*|npm_\w{36}|hf_\w{30,})/g,
  },
  { name: 'url-password', pattern: /(?<=\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@"'\\]{0,200}:)[^\s/@"'\\]+(?=@)/gi },
]; // prettier-ignore

/** Names of fields that hold a secret when they hold a text. */
const secretField =
  /^(?:.*[-_.])?(?:password|passwd|passphrase|secret|api[-_]?key|access[-_]?token|refresh[-_]?token|auth[-_]?token|private[-_]?key|client[-_]?secret|authorization)$/i;

export interface Redactor {
  /** Remembers what the rules find, to be looked for everywhere. */
  learn(value: unknown): void;
  /** The same value without what was found; `found` counts by rule. */
  redact<Value>(value: Value): {
    readonly value: Value;
    readonly found: ReadonlyMap<string, number>;
  };
  /** The rule by which a learned value is still in this value, or undefined. */
  remains(value: unknown): string | undefined;
  /** Values that were too short to be looked for outside of their field. */
  readonly shortValues: number;
}

/** Deeper JSON in strings in JSON is opened no further. */
const depthMax = 40;

/** @throws RangeError  More different values than `limits.redactedValuesMax` were found. */
export function createRedactor(options: {
  readonly rules: readonly RedactionRule[];
  /** Names, compared without case. */
  readonly fields: readonly string[];
  readonly secretFields: boolean;
}): Redactor {
  const fields = new Map(options.fields.map((name) => [name.toLowerCase(), `field ${name}`]));
  const ruleOfField = (name: string): string | undefined =>
    fields.get(name.toLowerCase()) ??
    (options.secretFields && secretField.test(name) ? 'secret-field' : undefined);
  const learned = new Map<string, string>();
  const short = new Set<string>();
  let everywhere: RegExp | undefined;

  const remember = (text: string, rule: string): void => {
    if (text.startsWith('[redacted: ')) return;
    if (text.length < limits.redactedValueCharsMin) short.add(text);
    else if (!learned.has(text)) {
      if (learned.size >= limits.redactedValuesMax)
        throw new RangeError(`More than ${limits.redactedValuesMax} different values (redactedValuesMax) were found to redact; the last by \`${rule}\`. Name fewer fields or narrower patterns.`); // prettier-ignore
      learned.set(text, rule);
      // In a text that holds JSON, the value is written with escapes.
      const escaped = JSON.stringify(text).slice(1, -1);
      learned.set(escaped, rule);
      everywhere = undefined;
    }
  };

  /** `onFound` says what stands in a value's place. */
  const walk = (value: unknown, depth: number, onFound: Found): unknown => {
    if (typeof value === 'string') return walkText(value, depth, onFound);
    if (typeof value !== 'object' || value === null || depth > depthMax) return value;
    if (Array.isArray(value)) return value.map((item) => walk(item, depth + 1, onFound));
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        const rule = ruleOfField(name);
        const isWhole = rule !== undefined && (rule !== 'secret-field' || typeof item === 'string');
        if (!isWhole || item === null || item === '')
          return [walkText(name, depthMax, onFound), walk(item, depth + 1, onFound)];
        return [name, onFound(item, rule)];
      }),
    );
  };
  const walkText = (text: string, depth: number, onFound: Found): string => {
    let result = text;
    if (depth < depthMax && /^\s*["[{]/.test(text)) {
      const opened = parse(text);
      if (opened !== undefined) {
        const walked = walk(opened.value, depth + 1, onFound);
        const written = JSON.stringify(walked);
        if (written !== JSON.stringify(opened.value)) result = written;
      }
    }
    for (const { name, pattern } of options.rules)
      result = result.replace(pattern, (match: string) =>
        match.startsWith('[redacted:') ? match : String(onFound(match, name)),
      );
    return onFound === learning ? result : replaceLearned(result, onFound);
  };
  const replaceLearned = (text: string, onFound: Found): string => {
    if (learned.size === 0) return text;
    everywhere ??= new RegExp(
      [...learned.keys()]
        .toSorted((one, other) => other.length - one.length)
        .map((value) => value.replaceAll(/[$()*+.?[\\\]^{|}/-]/g, '\\$&'))
        .join('|'),
      'g',
    );
    return text.replace(everywhere, (match) => String(onFound(match, learned.get(match) ?? '')));
  };
  const learning: Found = (value, rule) => {
    for (const leaf of leavesOf(value, 'values')) remember(leaf, rule);
    return value;
  };

  return {
    get shortValues() {
      return short.size;
    },
    learn: (value) => void walk(value, 0, learning),
    redact<Value>(value: Value) {
      const found = new Map<string, number>();
      const redacted = walk(value, 0, (_, rule) => {
        found.set(rule, (found.get(rule) ?? 0) + 1);
        return `[redacted: ${rule}]`;
      });
      return { value: redacted as Value, found };
    },
    remains(value) {
      for (const leaf of leavesOf(value, 'names and values')) {
        let rule: string | undefined;
        replaceLearned(leaf, (match, by) => {
          rule ??= by;
          return match;
        });
        if (rule !== undefined) return rule;
      }
      return undefined;
    },
  };
}

type Found = (value: unknown, rule: string) => unknown;

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function leavesOf(value: unknown, which: 'values' | 'names and values'): readonly string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => [
    ...(which === 'values' || Array.isArray(value) ? [] : [name]),
    ...leavesOf(item, which),
  ]);
}
