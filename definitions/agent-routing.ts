/** Reads what an agent says about its tiers, and about when its output will do. */
import type { JsonSchema } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import type { CascadePolicy, ConfidencePolicy, StopPolicy } from '../contracts/routing.ts';
import { isModelName } from './agent-models.ts';
import { type FieldReader, quoted } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import type { AgentFunctions } from './routing-spec.ts';
import { show } from './show.ts';

export interface Tier {
  readonly name: string;
  readonly model: string;
}

export interface RoutingData {
  /** From small to large. Absent: one model, and those behind it. */
  readonly tiers?: readonly Tier[];
  readonly cascade?: CascadePolicy;
  readonly stopWhen?: StopPolicy;
}

type Fields = Readonly<Record<string, unknown>>;

// A letter first: a JavaScript object would put names like `1` before all others, whatever their order.
const tierName = /^[a-z][a-z0-9_-]*$/;

export function readRouting(
  fields: Fields,
  outputSchema: JsonSchema | undefined,
  read: FieldReader,
  mistakes: Mistakes,
): RoutingData {
  const tiers = readTiers(fields, mistakes);
  for (const name of ['route', 'check'] as const) {
    const value = fields[name];
    if (value !== undefined && typeof value !== 'function')
      mistakes.add(`\`${name}\` must be a function; ${show(value)} is not`);
  }
  if (fields['route'] !== undefined && fields['models'] === undefined)
    mistakes.add('`route` chooses between `models`, which are missing');
  const cascade = readCascade(fields, outputSchema, read, mistakes);
  const stopWhen = readStopWhen(fields['stopWhen'], outputSchema, read, mistakes);
  return {
    ...(tiers === undefined ? {} : { tiers }),
    ...(cascade === undefined ? {} : { cascade }),
    ...(stopWhen === undefined ? {} : { stopWhen }),
  };
}

/** The functions among them, by the names that a frozen definition gives them. */
export function functionsIn(fields: Fields): AgentFunctions {
  const found: Record<string, unknown> = {};
  const { route, check, stopWhen, cascade } = fields;
  const confidenceOf = (value: unknown): unknown =>
    typeof value === 'object' && value !== null ? (value as Fields)['confidence'] : undefined;
  const named = {
    route,
    check,
    stopWhen,
    'cascade.confidence': confidenceOf(cascade),
    'stopWhen.confidence': confidenceOf(stopWhen),
  };
  for (const [name, value] of Object.entries(named))
    if (typeof value === 'function') found[name] = value;
  return Object.freeze(found) as AgentFunctions;
}

function readTiers(
  { models, model, fallbackModels }: Fields,
  mistakes: Mistakes,
): readonly Tier[] | undefined {
  if (models === undefined) return undefined;
  if (typeof models !== 'object' || models === null || Array.isArray(models)) {
    mistakes.add(
      `\`models\` must be an object, a name of a model for each tier; ${show(models)} is not`,
    );
    return undefined;
  }
  if (model !== undefined) mistakes.add('`model` and `models` exclude each other');
  const behind: readonly unknown[] = Array.isArray(fallbackModels) ? fallbackModels : [];
  const tiers: Tier[] = [];
  for (const [name, value] of Object.entries(models as Fields)) {
    if (!tierName.test(name) || name.length > limits.tierNameCharsMax || name in Object.prototype)
      mistakes.add(
        `\`models\`: ${show(name)} must be 1 to ${limits.tierNameCharsMax} of a-z, 0-9, - and _, a letter first`,
      );
    if (!isModelName(value)) {
      mistakes.add(`\`models.${name}\`: ${show(value)} is not the name of a model`);
    } else if (tiers.some((other) => other.model === value) || behind.includes(value)) {
      mistakes.add(`\`models.${name}\`: ${show(value)} is named twice`);
    } else {
      tiers.push(Object.freeze({ name, model: value }));
    }
  }
  const count = Object.keys(models).length;
  if (count === 0) mistakes.add('`models` names no model');
  if (count + behind.length > limits.modelsPerAgentMax)
    mistakes.add(
      `\`models\` and \`fallbackModels\` name ${count + behind.length} models; \`modelsPerAgentMax\` is ${limits.modelsPerAgentMax}`,
    );
  return Object.freeze(tiers);
}

function readCascade(
  { cascade, models }: Fields,
  outputSchema: JsonSchema | undefined,
  read: FieldReader,
  mistakes: Mistakes,
): CascadePolicy | undefined {
  if (cascade === undefined) return undefined;
  if (
    cascade !== true &&
    (typeof cascade !== 'object' || cascade === null || Array.isArray(cascade))
  ) {
    mistakes.add(
      `\`cascade\` must be true or { from?, confidence?, atLeast? }; ${show(cascade)} is not`,
    );
    return undefined;
  }
  const names = typeof models === 'object' && models !== null ? Object.keys(models) : [];
  if (names.length < 2) mistakes.add('`cascade` goes up through `models`: name at least two');
  const fields = cascade === true ? {} : (cascade as Fields);
  checkKeys(fields, { where: 'cascade.', known: ['from', 'confidence', 'atLeast'] }, mistakes);
  const { from } = fields;
  if (from !== undefined && !names.includes(from as string))
    mistakes.add(`\`cascade.from\`: ${show(from)} is none of ${quoted(names)}`);
  else if (from !== undefined && names.indexOf(from as string) === names.length - 1)
    mistakes.add(`\`cascade.from\`: ${show(from)} is the last tier, with none to go up to`);
  const both = fields['confidence'] !== undefined || fields['atLeast'] !== undefined;
  const confidence = both
    ? readConfidence('cascade', fields, { outputSchema, read, mistakes })
    : undefined;
  return Object.freeze({
    from: Math.max(0, names.indexOf(from as string)),
    ...(confidence === undefined ? {} : { confidence }),
  });
}

function readStopWhen(
  value: unknown,
  outputSchema: JsonSchema | undefined,
  read: FieldReader,
  mistakes: Mistakes,
): StopPolicy | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'function') return Object.freeze({ kind: 'function' });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    mistakes.add(
      `\`stopWhen\` must be a function or { confidence, atLeast }; ${show(value)} is neither`,
    );
    return undefined;
  }
  const fields = value as Fields;
  checkKeys(fields, { where: 'stopWhen.', known: ['confidence', 'atLeast'] }, mistakes);
  const confidence = readConfidence('stopWhen', fields, { outputSchema, read, mistakes });
  return confidence && Object.freeze({ kind: 'confidence', ...confidence });
}

function readConfidence(
  where: 'cascade' | 'stopWhen',
  { confidence, atLeast }: Fields,
  given: {
    readonly outputSchema: JsonSchema | undefined;
    readonly read: FieldReader;
    readonly mistakes: Mistakes;
  },
): ConfidencePolicy | undefined {
  const { read, mistakes, outputSchema } = given;
  const least = read.number(`${where}.atLeast`, atLeast, { min: 0, max: 1 });
  if (atLeast === undefined) mistakes.add(`\`${where}.atLeast\` is missing: from 0 to 1`);
  const isFunction = typeof confidence === 'function';
  if (confidence === undefined) mistakes.add(`\`${where}.confidence\` is missing`);
  else if (!isFunction && typeof confidence !== 'string')
    mistakes.add(
      `\`${where}.confidence\` must be a function or the name of a number in the output; ${show(confidence)} is neither`,
    );
  else if (!isFunction && !isNumberIn(outputSchema, confidence))
    mistakes.add(
      `\`${where}.confidence\`: the \`output\` schema has no number ${show(confidence)}`,
    );
  if (least === undefined) return undefined;
  return Object.freeze({
    ...(typeof confidence === 'string' ? { field: confidence } : {}),
    atLeast: least,
  });
}

function isNumberIn(schema: JsonSchema | undefined, name: string): boolean {
  const properties = schema?.['properties'] as Readonly<Record<string, JsonSchema>> | undefined;
  if (properties === undefined || !Object.hasOwn(properties, name)) return false;
  const type = properties[name]?.['type'];
  return type === 'number' || type === 'integer';
}
