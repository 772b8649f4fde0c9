import { bareModelName } from './model-name.ts';

interface Family {
  /** Matches the bare model name. */
  readonly name: RegExp;
  readonly temperature: 'accepted' | 'refused';
  readonly outputLimit: 'max_completion_tokens' | 'max_tokens';
}

/**
 * What a family of models takes, first match wins.
 *
 * Sources: OpenAI's API reference deprecates `max_tokens` for `max_completion_tokens` and says that the o-series does
 * not take the first; OpenAI's reasoning guide and Azure's table of unsupported parameters list `temperature` and
 * `top_p` for o1, o3, o4 and gpt-5 (https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning). Later gpt-5
 * models take a temperature when their reasoning is off; they are listed as refusing, since a refused request fails
 * a run and a missing temperature does not. The search previews of gpt-4o refuse it as well.
 */
const families: readonly Family[] = [
  // Open weights, served by others.
  { name: /^gpt-oss/u, temperature: 'accepted', outputLimit: 'max_tokens' },
  { name: /^gpt-5([.\w]*)-chat/u, temperature: 'accepted', outputLimit: 'max_completion_tokens' },
  { name: /^(gpt-5|codex-)/u, temperature: 'refused', outputLimit: 'max_completion_tokens' },
  { name: /^o[1-9](-|$)/u, temperature: 'refused', outputLimit: 'max_completion_tokens' },
  { name: /^gpt-4o.*-search/u, temperature: 'refused', outputLimit: 'max_completion_tokens' },
  { name: /^(gpt-|chatgpt-)/u, temperature: 'accepted', outputLimit: 'max_completion_tokens' },
];

/**
 * Other servers know the old name at least: vLLM, llama.cpp, Ollama, Mistral and DeepSeek all read `max_tokens`, and
 * some ignore the new name in silence, which would undo the output limit that a reservation rests on.
 */
const others: Omit<Family, 'name'> = { temperature: 'accepted', outputLimit: 'max_tokens' };

function familyOf(model: string): Omit<Family, 'name'> {
  const name = bareModelName(model);
  return families.find((family) => family.name.test(name)) ?? others;
}

/** 0 where the model takes a temperature; undefined where it refuses one, and the parameter must be left out. */
export function temperatureFor(model: string): 0 | undefined {
  return familyOf(model).temperature === 'accepted' ? 0 : undefined;
}

/** The name under which the model takes its limit of output tokens. */
export function outputLimitParameter(model: string): 'max_completion_tokens' | 'max_tokens' {
  return familyOf(model).outputLimit;
}
