import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { BelayerError, failureType } from '../contracts/failures.ts';

const port = z.number().int().min(0).max(65_535);
const searchAttributeType = z.enum([
  'Text',
  'Keyword',
  'Int',
  'Double',
  'Bool',
  'Datetime',
  'KeywordList',
]);
/** What a pragma or an attribute may be named: it becomes the left side of NAME=VALUE in a flag. */
const name = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected letters, digits and _');

const settingsShape = z.strictObject({
  namespace: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits, . _ and -')
    .default('default'),
  databaseFile: z
    .string()
    .regex(/^[^/\\\0]+$/, 'expected a file name without a folder')
    .default('temporal.sqlite'),
  port: port.default(0),
  uiPort: port.default(0),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'never']).default('error'),
  sqlitePragmas: z.record(name, z.union([z.string(), z.number()])).default({}),
  searchAttributes: z.record(name, searchAttributeType).default({}),
  dynamicConfig: z
    .record(
      z
        .string()
        .regex(
          /^[A-Za-z0-9_.]+$/,
          'expected a key of the dynamic configuration, such as history.transferProcessorMaxPollRPS',
        ),
      z
        .array(
          z.strictObject({
            value: z.json(),
            constraints: z
              .strictObject(
                {},
                'the dev server cannot carry constraints: give one value without them',
              )
              .default({}),
          }),
        )
        .length(1, 'expected one entry "- value: ...": the dev server carries one value a key'),
    )
    .default({}),
});

/** What the embedded Temporal server runs with: `temporal-dev.yml`, read and checked. */
export type DevServerSettings = z.infer<typeof settingsShape>;

/**
 * Reads a `temporal-dev.yml`.
 * @throws SettingsRejected  Naming the file, each key that is wrong, its value and what was expected.
 */
export function readDevServerSettings(file: string): DevServerSettings {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new BelayerError(
      failureType.settingsRejected,
      `${file} cannot be read: ${String((error as Error).message)}.`,
    );
  }
  let document: unknown;
  try {
    document = parse(text) ?? {};
  } catch (error) {
    throw new BelayerError(
      failureType.settingsRejected,
      `${file} is no YAML: ${String((error as Error).message).split('\n')[0]}`,
    );
  }
  const checked = settingsShape.safeParse(document);
  if (checked.success) return checked.data;
  const mistakes = checked.error.issues.flatMap((issue) => {
    // An unknown key is reported at its parent; the person needs its own name.
    const paths =
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => [...issue.path, key])
        : [issue.path];
    return paths.map((path) => {
      const said = issue.code === 'unrecognized_keys' ? 'no such key here' : issue.message;
      return `\`${path.join('.') || '(the whole file)'}\` is ${JSON.stringify(valueAt(document, path)) ?? 'absent'}: ${said}`;
    });
  });
  throw new BelayerError(failureType.settingsRejected, `${file}: ${mistakes.join('; ')}.`);
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null
        ? (value as Record<PropertyKey, unknown>)[key]
        : undefined,
    document,
  );
}
