import { costMicroUsd, priceOf, type Price } from '../../activities/models/prices.ts';
import type { BilledUsage } from './render-reply.ts';

/** What a provider would put on its bill for one model. */
export interface ModelBill {
  calls: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  /** Each call rounded up to whole micro-dollars, as `costMicroUsd` does. 0 for a model without a price. */
  microUsd: number;
}

/** The provider's own books, to hold against the caller's. It bills what it worked on, delivered or not. */
export class ProviderMeter {
  readonly byModel: Record<string, ModelBill> = {};
  readonly #prices = new Map<string, Price | undefined>();

  bill(model: string, usage: BilledUsage): void {
    const bill = (this.byModel[model] ??= {
      calls: 0,
      inputTokens: 0,
      cachedInputTokens: 0,
      outputTokens: 0,
      microUsd: 0,
    });
    if (!this.#prices.has(model)) this.#prices.set(model, priceOf(model));
    const price = this.#prices.get(model);
    bill.calls += 1;
    bill.inputTokens += usage.inputTokens;
    bill.cachedInputTokens += usage.cachedInputTokens;
    bill.outputTokens += usage.outputTokens;
    if (price !== undefined) bill.microUsd += costMicroUsd(price, usage);
  }

  get microUsd(): number {
    return Object.values(this.byModel).reduce((sum, bill) => sum + bill.microUsd, 0);
  }
}
