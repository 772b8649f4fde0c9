import type { NativeConnection } from '@temporalio/worker';
import type { Log } from '../activities/dependencies.ts';

/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const keyword = 2;

/**
 * Makes Temporal's lists filterable by agent and customer. Best effort: where the role may not, or
 * the service (Temporal Cloud) wants it done elsewhere, runs start without them.
 */
export async function registerSearchAttributes(
  connection: NativeConnection,
  namespace: string,
  log: Log,
): Promise<void> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace,
    });
    if (customAttributes['BelayerAgent'] !== undefined) return;
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: { BelayerAgent: keyword, BelayerCustomer: keyword },
    });
  } catch (error) {
    log.info('search attributes BelayerAgent and BelayerCustomer could not be registered', {
      error: (error as Error).message,
    });
  }
}
