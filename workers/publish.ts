import { outputLimitParameter, temperatureFor } from '../activities/models/temperature.ts';
import type { FrozenAgent, PublishedAgent } from '../contracts/definitions.ts';
import { type App, freezeAgent } from '../definitions/internal.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { promptHead } from '../rules/render-message.ts';
import type { Database } from '../storage/database.ts';
import { publishDefinition } from '../storage/definitions.ts';
import { sha256 } from '../storage/hash.ts';

/** Freezes an application's agents and publishes them: from now on starts pin these. */
export async function publishApplication(
  database: Database,
  app: App,
  surroundings: { readonly modelDefault?: string; readonly buildId: string },
): Promise<readonly PublishedAgent[]> {
  const published = app.agents.map((agent): PublishedAgent => {
    const frozen = freezeAgent(agent, surroundings);
    return { hash: sha256(canonicalJson(frozen)), frozen };
  });
  for (const definition of published)
    await publishDefinition(
      database,
      definition,
      Object.fromEntries(
        definition.frozen.models.map((model) => [
          model,
          promptHead(definition.frozen, model, parametersOf(definition.frozen, model)),
        ]),
      ),
    );
  return published;
}

/** Temperature 0 where the model takes one, and the output limit that a reservation rests on. */
function parametersOf(frozen: FrozenAgent, model: string): Readonly<Record<string, unknown>> {
  const accepted = temperatureFor(model);
  const temperature = frozen.temperature ?? accepted;
  return {
    ...(accepted === undefined || temperature === undefined ? {} : { temperature }),
    [outputLimitParameter(model)]: frozen.limits.outputTokens,
  };
}
