/** Which provider answers: the one of the settings, or the stand-in where there is none. */
import { type ModelClient, openAiModelClient } from '../activities/models/openai-model.ts';
import { standInModelId } from '../activities/models/stand-in-id.ts';
import type { WorkerSettings } from './settings.ts';

export interface ModelProvider {
  readonly client: ModelClient;
  /** For agents that name no model. */
  readonly modelDefault: string | undefined;
  /** A line for a person about who answers. */
  readonly notice: string | undefined;
  stop(): Promise<void>;
}

export interface StandInRulesOption {
  /** An application's own rules for the stand-in; see `belayer/testing`. */
  readonly standIn?: { readonly baseURL: string };
}

export async function modelProvider(
  settings: WorkerSettings,
  options: StandInRulesOption = {},
): Promise<ModelProvider> {
  const { openaiApiKey, openaiBaseUrl, modelDefault } = settings;
  if (openaiApiKey !== undefined || openaiBaseUrl !== undefined)
    return {
      // Endpoints without keys (Ollama, llama.cpp) want the header all the same.
      client: openAiModelClient({ apiKey: openaiApiKey ?? 'none', baseURL: openaiBaseUrl }),
      modelDefault,
      notice: undefined,
      stop: () => Promise.resolve(),
    };
  const own = options.standIn === undefined ? await startOwn() : undefined;
  const baseURL = options.standIn?.baseURL ?? own?.baseURL;
  return {
    client: openAiModelClient({ apiKey: 'stand-in', baseURL }),
    modelDefault: standInModelId,
    notice:
      'No OPENAI_API_KEY or OPENAI_BASE_URL is set: the stand-in model answers, a program of rules, at a nominal price.',
    stop: async () => {
      await own?.stop();
    },
  };
}

async function startOwn() {
  const { startStandIn } = await import('../testing/provider/stand-in-model.ts');
  return startStandIn();
}
