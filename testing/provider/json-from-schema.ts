import type { JsonSchema } from './chat-request.ts';
import { plainKey } from './named-values.ts';

export interface SchemaFilling {
  /** What strings without other rules are filled with. */
  readonly text: string;
  /** Values by plain key, used where the type fits. */
  readonly named: ReadonlyMap<string, string | number | boolean>;
}

const depthMax = 30;
const byFormat: Readonly<Record<string, string>> = {
  email: 'stand-in@example.com',
  uri: 'https://example.com/stand-in',
  url: 'https://example.com/stand-in',
  date: '2000-01-01',
  time: '00:00:00Z',
  'date-time': '2000-01-01T00:00:00Z',
  uuid: '00000000-0000-4000-8000-000000000000',
};

/**
 * The smallest JSON value that fits a schema: required properties only, numbers at their lower limit, first choices.
 *
 * Understands what structured output allows: types, enum, const, anyOf, allOf, `$ref` inside the schema, limits of
 * strings, numbers and arrays, common formats. A `pattern` is not solved: a value fits it only by luck.
 */
export function jsonFromSchema(schema: JsonSchema, filling: SchemaFilling): unknown {
  const valueOf = (given: JsonSchema, key: string, depth: number): unknown => {
    if (depth > depthMax) return null;
    const own = resolved(given, schema);
    if (own.const !== undefined) return own.const;
    const named = filling.named.get(plainKey(key));
    if (own.enum !== undefined) return own.enum.includes(named) ? named : own.enum[0];
    const choice = own.anyOf?.[0] ?? own.oneOf?.[0];
    if (choice !== undefined) {
      const choices = own.anyOf ?? own.oneOf ?? [];
      // A branch that does not lead back to itself, so that a recursive type ends.
      return valueOf(
        depth > depthMax / 2 ? (choices.find((each) => each.type === 'null') ?? choice) : choice,
        key,
        depth + 1,
      );
    }
    switch (typeOf(own)) {
      case 'string':
        return stringOf(own, typeof named === 'string' ? named : filling.text);
      case 'number':
      case 'integer':
        return numberOf(own, named);
      case 'boolean':
        return typeof named === 'boolean' ? named : false;
      case 'array':
        return Array.from({ length: own.minItems ?? 0 }, (_, index) =>
          valueOf(own.prefixItems?.[index] ?? own.items ?? {}, key, depth + 1),
        );
      case 'object':
        return Object.fromEntries(
          (own.required ?? []).map((name) => [
            name,
            valueOf(own.properties?.[name] ?? {}, name, depth + 1),
          ]),
        );
      case 'null':
        return null;
      default:
        return filling.text;
    }
  };
  return valueOf(schema, '', 0);
}

function typeOf(schema: JsonSchema): string {
  const type = typeof schema.type === 'string' ? schema.type : schema.type?.[0];
  return type ?? (schema.properties === undefined ? 'any' : 'object');
}

function resolved(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let own = schema;
  for (let hops = 0; own.$ref !== undefined && hops < depthMax; hops++)
    own = targetOf(own.$ref, root);
  if (own.allOf === undefined) return own;
  const parts = own.allOf.map((part) => resolved(part, root));
  return {
    ...own,
    ...Object.assign({}, ...parts),
    properties: Object.assign({}, own.properties, ...parts.map((part) => part.properties)),
    required: [...(own.required ?? []), ...parts.flatMap((part) => part.required ?? [])],
  };
}

function targetOf(ref: string, root: JsonSchema): JsonSchema {
  let at: unknown = root;
  for (const step of ref
    .replace(/^#\/?/u, '')
    .split('/')
    .filter((each) => each !== '')) {
    at = (at as Record<string, unknown> | undefined)?.[
      step.replaceAll('~1', '/').replaceAll('~0', '~')
    ];
  }
  return typeof at === 'object' && at !== null ? at : {};
}

function stringOf(schema: JsonSchema, wanted: string): string {
  const { format, pattern, minLength = 0, maxLength = Infinity } = schema;
  if (format !== undefined && byFormat[format] !== undefined) {
    return new RegExp(checks[format] ?? '', 'u').test(wanted) ? wanted : byFormat[format];
  }
  if (pattern !== undefined) return wanted;
  return wanted.slice(0, Math.min(maxLength, wanted.length)).padEnd(minLength, '.');
}

/** When a value that was found may stand for a format. */
const checks: Readonly<Record<string, string>> = {
  email: '^[\\w.+-]+@[\\w-]+(\\.[\\w-]+)+$',
  uri: '^https?://\\S+$',
  url: '^https?://\\S+$',
  date: '^\\d{4}-\\d{2}-\\d{2}$',
  time: '^\\d{2}:\\d{2}:\\d{2}Z$',
  'date-time': '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?Z$',
  uuid: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
};

function numberOf(schema: JsonSchema, named: unknown): number {
  const step = schema.multipleOf ?? (typeOf(schema) === 'integer' ? 1 : undefined);
  const isAllowed = (value: number) =>
    value >= (schema.minimum ?? -Infinity) &&
    value <= (schema.maximum ?? Infinity) &&
    value > (schema.exclusiveMinimum ?? -Infinity) &&
    value < (schema.exclusiveMaximum ?? Infinity) &&
    (step === undefined || Number.isInteger(value / step));
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const small = step ?? middleOf(exclusiveMinimum ?? minimum, exclusiveMaximum ?? maximum);
  const above = (limit: number) => (step === undefined ? limit : Math.ceil(limit / step) * step);
  const below = (limit: number) => (step === undefined ? limit : Math.floor(limit / step) * step);
  const candidates = [
    ...(typeof named === 'number' ? [named] : []),
    0,
    ...(minimum === undefined ? [] : [above(minimum)]),
    ...(exclusiveMinimum === undefined
      ? []
      : [above(exclusiveMinimum), above(exclusiveMinimum) + small]),
    ...(maximum === undefined ? [] : [below(maximum)]),
    ...(exclusiveMaximum === undefined
      ? []
      : [below(exclusiveMaximum), below(exclusiveMaximum) - small]),
  ];
  return candidates.find(isAllowed) ?? 0;
}

/** A step that stays inside two limits, or 1 where they leave room. */
function middleOf(low: number | undefined, high: number | undefined): number {
  return low === undefined || high === undefined ? 1 : (high - low) / 2;
}
