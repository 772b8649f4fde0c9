import { requestParameters } from '../activities/models/request-parameters.ts';
import type { PublishedAgent } from '../contracts/definitions.ts';
import { type App, freezeAgent } from '../definitions/internal.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { promptHead } from '../rules/render-message.ts';
import type { Database } from '../storage/database.ts';
import { publishDefinition } from '../storage/definitions.ts';
import { sha256 } from '../storage/hash.ts';

/** Freezes an application's agents and publishes them: from now on starts pin these, unless they are waiting. */
export async function publishApplication(
  database: Database,
  app: App,
  surroundings: {
    readonly modelDefault?: string;
    readonly buildId: string;
    readonly deployment?: string;
  },
  standing: { readonly isWaiting: boolean } = { isWaiting: false },
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
          promptHead(definition.frozen, model, requestParameters(definition.frozen, model)),
        ]),
      ),
      standing,
    );
  return published;
}
