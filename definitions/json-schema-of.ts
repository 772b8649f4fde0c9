import { z } from 'zod';
import type { JsonSchema } from '../contracts/definitions.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';

/** `input`: what is accepted, before defaults and transforms. `output`: what parsing gives. */
export type Side = 'input' | 'output';

export function isSchema(value: unknown): value is z.ZodType {
  return typeof value === 'object' && value !== null && '_zod' in value && 'safeParse' in value;
}

export function isObjectSchema(value: unknown): value is z.ZodObject {
  return isSchema(value) && value._zod.def.type === 'object';
}

/** What is wrong with a value that is no zod 4 schema: `must be a zod schema; 7 is not`. */
export function notSchema(value: unknown, wanted: string): string {
  if (isSchema(value)) return `must be ${wanted}; a zod ${value._zod.def.type} is not`;
  const isOlder = typeof value === 'object' && value !== null && '_def' in value;
  return isOlder
    ? `must be ${wanted} of zod 4; this one is from an older zod`
    : `must be ${wanted}; ${show(value)} is not`;
}

/**
 * The JSON Schema of a zod schema, as plain data without `$schema`. The order of fields is kept:
 * models write their output in that order.
 *
 * @param path where the schema stands in its definition, as `input`; every field that JSON cannot
 * carry is added to the mistakes by its full path.
 * @returns undefined where a mistake was added.
 */
export function jsonSchemaOf(
  schema: z.ZodType,
  at: { readonly path: string; readonly side: Side },
  mistakes: Mistakes,
): JsonSchema | undefined {
  const converted = convert(schema, at.side);
  if ('schema' in converted) return converted.schema;
  const blamed = fieldsToBlame(schema, at.path, at.side);
  const found = blamed.length > 0 ? blamed : [{ path: at.path, problem: converted.problem }];
  for (const { path, problem } of found) mistakes.add(`\`${path}\`: ${problem}`);
  return undefined;
}

function convert(schema: z.ZodType, side: Side): { schema: JsonSchema } | { problem: string } {
  try {
    const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: side });
    return { schema: JSON.parse(JSON.stringify(rest)) as JsonSchema };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { problem: problem + hintFor(problem, side) };
  }
}

function hintFor(problem: string, side: Side): string {
  if (problem.startsWith('Date')) {
    return side === 'input'
      ? '; take a string, as z.iso.datetime(), and parse it where you use it'
      : '; give a string, as z.iso.datetime()';
  }
  if (problem.startsWith('BigInt')) return '; use a string of digits';
  if (problem.startsWith('Transforms'))
    return '; the value is kept as JSON: use a schema without a transform';
  return '';
}

interface Blamed {
  readonly path: string;
  readonly problem: string;
}

/** The innermost schemas that do not convert on their own, with their paths. */
function fieldsToBlame(root: z.ZodType, rootPath: string, side: Side): Blamed[] {
  const seen = new Set<z.ZodType>();
  const blame = (schema: z.ZodType, path: string): Blamed[] => {
    if (seen.has(schema)) return [];
    seen.add(schema);
    const converted = convert(schema, side);
    if ('schema' in converted) return [];
    const inner = partsOf(schema, side).flatMap(([step, part]) => blame(part, path + step));
    return inner.length > 0 ? inner : [{ path, problem: converted.problem }];
  };
  return blame(root, rootPath);
}

/** The schemas inside a schema, each with what it adds to the path. */
function partsOf(schema: z.ZodType, side: Side): [string, z.ZodType][] {
  const def = schema._zod.def as unknown as Record<string, unknown> & { readonly type: string };
  const one = (step: string, part: unknown): [string, z.ZodType][] =>
    isSchema(part) ? [[step, part]] : [];
  switch (def.type) {
    case 'object':
      return Object.entries(def['shape'] as Record<string, unknown>).flatMap(([key, part]) =>
        one(`.${key}`, part),
      );
    case 'array':
      return one('[]', def['element']);
    case 'tuple':
      return (def['items'] as unknown[]).flatMap((part, index) => one(`[${index}]`, part));
    case 'record':
      return one('.*', def['valueType']);
    case 'union':
      return (def['options'] as unknown[]).flatMap((part) => one('', part));
    case 'intersection':
      return [...one('', def['left']), ...one('', def['right'])];
    case 'pipe':
      return one('', side === 'input' ? def['in'] : def['out']);
    case 'lazy':
      return one('', (def['getter'] as () => unknown)());
    default:
      return one('', def['innerType']);
  }
}
