import {
  howToPrice,
  notFree,
  type PriceFile,
  unpricedModel,
} from '../activities/models/unpriced.ts';
import { priceBook } from '../activities/models/price-book.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { type App, freezeAgent } from '../definitions/internal.ts';

/**
 * Holds every model that an application's agents may call against the prices of this moment: its own, its
 * fallbacks, and whatever else its frozen list names. Before anything is published, so that no run begins that would
 * fail at its first call.
 *
 * @throws ModelUnpriced  Names every agent and model, the file, and the JSON to add.
 */
export function refuseUnpriced(
  app: App,
  settings: PriceFile & { readonly modelDefault?: string | undefined },
  at: Date = new Date(),
): void {
  const price = priceBook(settings.prices);
  const missing = app.agents.flatMap((agent) =>
    freezeAgent(agent, { modelDefault: settings.modelDefault, buildId: '' })
      .models.filter((model) => price(model, at) === undefined)
      .map((model) => ({ agent: agent.name, model })),
  );
  if (missing.length === 0) return;
  const models = [...new Set(missing.map(({ model }) => model))];
  const lines = missing.map(
    ({ agent, model }) => `  - agent \`${agent}\`: ${unpricedModel(model, settings, at)}`,
  );
  throw new BelayerError(
    failureType.modelUnpriced,
    `${models.length === 1 ? 'A model has' : `${models.length} models have`} no price, ${notFree}. No worker was started.\n${lines.join('\n')}\n${howToPrice(models, settings, at)}`,
  );
}
