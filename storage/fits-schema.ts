import Ajv2020 from 'ajv/dist/2020.js';
import type { JsonSchema } from '../contracts/definitions.ts';

const ajv = new Ajv2020.default({ allErrors: true, strict: false, validateFormats: false });
const validators = new WeakMap<JsonSchema, ReturnType<typeof ajv.compile>>();

/** What of a value does not fit a frozen schema, each with its place. `named` is what the whole is called. */
export function fitsSchema(schema: JsonSchema, value: unknown, named: string): readonly string[] {
  const validate = validators.get(schema) ?? ajv.compile({ ...schema });
  validators.set(schema, validate);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(
    (issue) =>
      `${named}${issue.instancePath.replaceAll('/', '.')}: ${issue.message ?? issue.keyword}${issue.keyword === 'additionalProperties' ? ` (\`${String((issue.params as { additionalProperty?: unknown }).additionalProperty)}\`)` : ''}`,
  );
}
