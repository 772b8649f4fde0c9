import type { Log } from '../activities/dependencies.ts';
import type { ProviderRates } from '../activities/provider-rates.ts';
import { limits } from '../contracts/limits.ts';
import type { Database } from '../storage/database.ts';
import { readSlowed } from '../storage/throttles.ts';
import { repeat } from './repeat.ts';

/**
 * Keeps the worker's word of which models are slowed: at once by notification, and never older than
 * `limits.providerRateAgeMsMax` by asking. The returned function ends it.
 */
export async function watchProviderRates(
  database: Database,
  rates: ProviderRates,
  log: Log,
): Promise<() => Promise<void>> {
  const read = async (): Promise<void> => rates.setSlowed(await readSlowed(database));
  const failed = 'the rates of providers could not be read';
  const listening = await database.listen('belayer_provider', () => {
    read().catch((error: unknown) => log.warn(failed, { error: (error as Error).message }));
  });
  await read();
  const stop = repeat(read, { everyMs: limits.providerRateAgeMsMax, failed, log });
  return async () => {
    await stop();
    await listening.stop();
  };
}
