import { limits } from '../contracts/limits.ts';
import type { AgentData } from './agent.ts';
import { inWords } from './duration.ts';
import type { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';

const modelName = /^\S{1,256}$/;

/** Whether it can be a model's name. Whether a provider has that model is not known here. */
export function isModelName(value: unknown): value is string {
  return typeof value === 'string' && modelName.test(value);
}

type Models = Pick<AgentData, 'model' | 'fallbackModels' | 'modelPlacement' | 'modelTimeoutMs'>;

/** The models of an agent, where they are called from, and how long one attempt may take. */
export function readModels(
  fields: Readonly<Record<string, unknown>>,
  read: FieldReader,
  mistakes: Mistakes,
): Models {
  const { model } = fields;
  if (model !== undefined && !isModelName(model)) {
    mistakes.add(`\`model\`: ${show(model)} is not the name of a model`);
  }
  return {
    ...(isModelName(model) ? { model } : {}),
    fallbackModels: readFallbacks(fields, mistakes),
    ...readCalls(fields, read, mistakes),
  };
}

function readFallbacks(
  { model, models, fallbackModels }: Readonly<Record<string, unknown>>,
  mistakes: Mistakes,
): readonly string[] {
  if (fallbackModels === undefined) return [];
  if (!Array.isArray(fallbackModels) || !fallbackModels.every(isModelName)) {
    mistakes.add(
      `\`fallbackModels\` must be a list of names of models; ${show(fallbackModels)} is not`,
    );
    return [];
  }
  // With `models` they are counted, and compared, together with those.
  if (models === undefined && fallbackModels.length + 1 > limits.modelsPerAgentMax) {
    mistakes.add(
      `\`model\` and \`fallbackModels\` name ${fallbackModels.length + 1} models; \`modelsPerAgentMax\` is ${limits.modelsPerAgentMax}`,
    );
  }
  const all = [model, ...fallbackModels];
  for (const twice of all.filter((name, index) => all.indexOf(name) !== index)) {
    mistakes.add(`\`fallbackModels\`: ${show(twice)} is named twice`);
  }
  return Object.freeze([...fallbackModels]);
}

function readCalls(
  fields: Readonly<Record<string, unknown>>,
  read: FieldReader,
  mistakes: Mistakes,
): Pick<Models, 'modelPlacement' | 'modelTimeoutMs'> {
  const placement = read.object('placement', fields['placement']);
  checkKeys(placement, { where: 'placement.', known: ['models'] }, mistakes);
  const modelPlacement =
    read.oneOf('placement.models', placement['models'], ['near', 'queue']) ?? 'queue';
  const timeoutMs = read.duration('modelTimeout', fields['modelTimeout'], 'modelCallMsMax');
  if (modelPlacement === 'queue') {
    return { modelPlacement, modelTimeoutMs: timeoutMs ?? limits.modelCallMsDefault };
  }
  if (timeoutMs !== undefined && timeoutMs > limits.nearModelCallMsMax) {
    mistakes.add(
      `\`modelTimeout\` of near models is at most \`nearModelCallMsMax\` (${inWords(limits.nearModelCallMsMax)}); this one is ${inWords(timeoutMs)}`,
    );
  }
  return { modelPlacement, modelTimeoutMs: timeoutMs ?? limits.nearModelCallMsMax };
}
