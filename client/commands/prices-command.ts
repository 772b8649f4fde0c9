/** `belayer prices`: what a worker with this environment would charge. Asks no server. */
import { readMoment } from '../../definitions/internal.ts';
import type { ListedPrice } from '../../workers/list-prices.ts';
import { moment } from './amounts.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { listPricesOf } from './load-worker.ts';
import { safeLine, safeText } from './safe-text.ts';
import { table } from './table.ts';
import { outJson, type Terminal } from './terminal.ts';

export interface PricesFlags {
  readonly at?: string;
  readonly json?: true;
}

export async function pricesCommand(
  terminal: Terminal,
  models: readonly string[],
  flags: PricesFlags,
): Promise<number> {
  const at = flags.at === undefined ? { at: new Date() } : readMoment(flags.at);
  if ('problem' in at) throw new WrongUsage(`--at ${at.problem}.`);
  const { prices, refusal } = await listPricesOf(terminal, models, at.at);
  if (flags.json === true) for (const price of prices) outJson(terminal, price, 'line');
  else if (prices.length > 0) terminal.out(`${pricesTable(prices)}\n`);
  if (flags.json !== true && prices.length > 0)
    terminal.note(`US dollars per million tokens, at ${moment(at.at)} UTC.`);
  if (refusal === undefined) return exitCode.done;
  terminal.note(safeText(refusal));
  return exitCode.failed;
}

const pricesTable = (prices: readonly ListedPrice[]): string =>
  table(
    ['MODEL', 'PROMPTS ABOVE', 'INPUT', 'CACHED', 'CACHE WRITE', 'OUTPUT', 'REASONING', 'PER CALL', 'SOURCE'], // prettier-ignore
    prices.flatMap(({ model, tiers, requestUsd, source }) =>
      tiers.map((tier) => [
        safeLine(model, 256),
        tier.aboveInputTokens === 0 ? '-' : String(tier.aboveInputTokens),
        String(tier.inputUsdPerMillion),
        String(tier.cachedInputUsdPerMillion),
        String(tier.cacheWriteUsdPerMillion),
        String(tier.outputUsdPerMillion),
        String(tier.reasoningUsdPerMillion),
        requestUsd === 0 ? '-' : String(requestUsd),
        safeLine(source, 100),
      ]),
    ),
  );
