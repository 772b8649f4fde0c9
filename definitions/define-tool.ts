import type { z } from 'zod';
import type { Effect, Repeat } from '../contracts/definitions.ts';
import { hasBrand, toolBrand } from './brands.ts';
import { readCache, whyNotCached } from './cache-policy.ts';
import { FieldReader, quoted } from './field-reader.ts';
import { isObjectSchema, isSchema, jsonSchemaOf, notSchema } from './json-schema-of.ts';
import { checkKeys } from './known-keys.ts';
import { Mistakes } from './mistakes.ts';
import { show } from './show.ts';
import type { ChildAgent, Tool, ToolData } from './tool.ts';
import type { ToolSpec } from './tool-spec.ts';
import { readApproval } from './tool-approval.ts';
import { readFallbacks } from './tool-fallback.ts';
import { readPlacement } from './tool-placement.ts';
import { readAttempt, readRetry } from './tool-retry.ts';

const knownKeys: readonly (keyof ToolSpec<z.ZodObject>)[] = [
  'name',
  'description',
  'input',
  'output',
  'effect',
  'repeat',
  'keyValid',
  'verify',
  'approval',
  'ask',
  'timeout',
  'retry',
  'heartbeat',
  'fallback',
  'critical',
  'placement',
  'cache',
  'resultTokens',
  'run',
];
const effects: readonly Effect[] = ['none', 'read', 'egress', 'write'];
const repeats: readonly Repeat[] = ['safe', 'keyed', 'never'];
const toolName = /^[a-zA-Z0-9_-]{1,64}$/;
const keyValidMsDefault = 24 * 60 * 60 * 1000;

/**
 * Describes a tool that an agent may call.
 *
 * Nothing runs here. `input` and `output` are checked once for what JSON Schema can say.
 *
 * @throws BelayerError `DefinitionRejected` that lists every mistake of this tool.
 */
export function defineTool<
  I extends z.ZodObject,
  O extends z.ZodType | undefined = undefined,
  const F extends readonly Tool[] = readonly Tool[],
>(spec: ToolSpec<I, O, F>): Tool<NoInfer<I>, NoInfer<O>> {
  // `NoInfer`: inside `tools: [...]` the schemas come from the spec alone.
  return makeTool<I, O, F>(spec);
}

export function isTool(value: unknown): value is Tool {
  return hasBrand(value, toolBrand);
}

/** `defineTool`, also for what has no `run`: a run of an agent, or a question to a human. */
export function makeTool<
  I extends z.ZodObject,
  O extends z.ZodType | undefined,
  F extends readonly Tool[] = readonly Tool[],
>(
  spec: ToolSpec<I, O, F>,
  standsFor: { readonly child?: ChildAgent; readonly question?: true } = {},
): Tool<I, O> {
  const { child, question } = standsFor;
  const mistakes = new Mistakes();
  const read = new FieldReader(mistakes);
  const fields = read.object('defineTool({ ... })', spec ?? null);
  checkKeys(fields, { where: '', known: knownKeys }, mistakes);

  const name = fields['name'];
  checkName(name, mistakes);
  read.text('description', fields['description'], 'descriptionBytesMax');
  if (typeof fields['run'] !== 'function') {
    mistakes.add(`\`run\` must be a function; ${show(fields['run'])} is not`);
  }
  const approval = readApproval(fields, read, mistakes);
  const data = readData(fields, { read, mistakes, isChild: child !== undefined });
  const fallbacks = readFallbacks(fields, read, mistakes);
  mistakes.throwIfAny(typeof name === 'string' ? `Tool \`${name}\`` : 'A tool');

  const { verify, run } = spec;
  const tool: Tool<I, O> = {
    [toolBrand]: 1,
    name: spec.name,
    description: spec.description,
    input: spec.input,
    // Absent is undefined, which is what `O` then is.
    output: spec.output as O,
    data: {
      ...data,
      ...(question === undefined ? {} : { question }),
      ...approval.data,
    },
    approval: approval.kind,
    asksHuman: (input) => approval.asks(input),
    child,
    ...(fallbacks === undefined ? {} : { fallbacks }),
    ...(verify === undefined ? {} : { verify }),
    run,
  };
  return Object.freeze(tool);
}

function checkName(name: unknown, mistakes: Mistakes): void {
  if (name === undefined) {
    mistakes.add('`name` is missing');
  } else if (typeof name !== 'string' || !toolName.test(name)) {
    mistakes.add(
      `\`name\`: ${show(name)} must be 1 to 64 of a-z, A-Z, 0-9, _ and - (the rule of the model providers)`,
    );
  } else if (name in Object.prototype) {
    mistakes.add(`\`name\`: ${show(name)} is a name that every JavaScript object has`);
  }
}

interface Reading {
  readonly read: FieldReader;
  readonly mistakes: Mistakes;
  readonly isChild: boolean;
}

/** Where a mistake was added, the data is not used. */
function readData(fields: Readonly<Record<string, unknown>>, reading: Reading): ToolData {
  const { read, mistakes } = reading;
  const effect = readEffect(fields, reading);
  const keyValidMs = read.duration('keyValid', fields['keyValid'], 'keyValidMsMax');
  const resultTokensMax = read.count('resultTokens', fields['resultTokens'], 'toolResultTokensMax');
  const outputSchema = readOutput(fields['output'], mistakes);
  const input = fields['input'];
  if (!isObjectSchema(input)) {
    mistakes.add(`\`input\` ${notSchema(input, 'a z.object({ ... })')}`);
  }
  const repeat = fields['repeat'] as Repeat | undefined;
  const placed = readPlacement({ ...fields, effect, isChild: reading.isChild }, read, mistakes);
  const retry = readRetry(fields['retry'], read, mistakes);
  const longestMs = placed.movesToQueueMs ?? placed.timeoutMs;
  const attempt = readAttempt(fields, longestMs, read, mistakes);
  const cache = readCache(fields['cache'], read, mistakes);
  const notCached =
    fields['cache'] === undefined ? undefined : whyNotCached(effect, fields['approval']);
  if (notCached !== undefined) mistakes.add(`\`cache\`: this tool ${notCached}`);
  if (fields['critical'] !== undefined && fields['critical'] !== true) {
    mistakes.add(`\`critical\` can only be true; ${show(fields['critical'])} is not: leave it out`);
  }
  return {
    effect: effect ?? 'none',
    ...(repeat === undefined ? {} : { repeat }),
    ...(repeat === 'keyed' ? { keyValidMs: keyValidMs ?? keyValidMsDefault } : {}),
    ...placed,
    retry,
    ...(attempt === undefined ? {} : { attempt }),
    ...(fields['critical'] === undefined ? {} : { critical: true }),
    ...(cache === undefined ? {} : { cache }),
    ...(resultTokensMax === undefined ? {} : { resultTokensMax }),
    inputSchema:
      (isObjectSchema(input) && jsonSchemaOf(input, { path: 'input', side: 'input' }, mistakes)) ||
      {},
    ...(outputSchema === undefined ? {} : { outputSchema }),
  };
}

/** The effect, and whether the keys that only some effects have are where they belong. */
function readEffect(
  fields: Readonly<Record<string, unknown>>,
  { read, mistakes }: Reading,
): Effect | undefined {
  if (fields['effect'] === undefined) {
    mistakes.add(`\`effect\` is missing; say ${quoted(effects)}`);
    return undefined;
  }
  const effect = read.oneOf('effect', fields['effect'], effects);
  if (effect === undefined) return undefined;
  if (effect === 'write') {
    if (fields['repeat'] === undefined) {
      mistakes.add("`repeat` is missing; a write must say 'safe', 'keyed' or 'never'");
    }
    const repeat = read.oneOf('repeat', fields['repeat'], repeats);
    if (fields['keyValid'] !== undefined && repeat !== undefined && repeat !== 'keyed') {
      mistakes.add(`\`keyValid\` is only for \`repeat: 'keyed'\`; this one is '${repeat}'`);
    }
    if (fields['verify'] !== undefined && typeof fields['verify'] !== 'function') {
      mistakes.add(`\`verify\` must be a function; ${show(fields['verify'])} is not`);
    }
    return effect;
  }
  for (const key of ['repeat', 'keyValid', 'verify']) {
    if (fields[key] !== undefined) {
      mistakes.add(`\`${key}\` is only for writes; \`effect\` is '${effect}'`);
    }
  }
  return effect;
}

function readOutput(output: unknown, mistakes: Mistakes): ToolData['outputSchema'] {
  if (output === undefined) return undefined;
  if (!isSchema(output)) {
    mistakes.add(`\`output\` ${notSchema(output, 'a schema')}`);
    return undefined;
  }
  // What parsing gives is what is stored, as JSON, and what the model sees.
  return jsonSchemaOf(output, { path: 'output', side: 'output' }, mistakes);
}
