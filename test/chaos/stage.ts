/** What every campaign runs on: real servers, the payment service, the provider, workers, and one that looks on. */
import { createWorld, type World } from '../support/world.ts';
import type { Rates } from './faults.ts';
import { observe, observedSettings } from './observe.ts';
import { type PaymentService, startPaymentService } from './payment-service.ts';
import { startWorkerPool, type WorkerPool } from './worker-pool.ts';

export interface Stage {
  readonly world: World;
  readonly service: PaymentService;
  readonly pool: WorkerPool;
  readonly workers: number;
  stop(): Promise<void>;
}

/** History is long after so many events, so that runs continue as new again and again. */
const eventsUntilLong = 25;

export async function setStage(options: {
  readonly seed: number;
  readonly workers: number;
  readonly rates: Rates;
  readonly shortHistories: boolean;
  readonly logFile?: string;
}): Promise<Stage> {
  const world = await createWorld({
    temporalInMemory: false,
    postgresSettings: { fsync: 'off', ...observedSettings },
    ...(options.shortHistories
      ? { dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': eventsUntilLong } }
      : {}),
  });
  const closing: (() => Promise<void>)[] = [() => world.stop()];
  const stop = async (): Promise<void> => {
    for (const close of closing.splice(0).toReversed()) await close();
  };
  try {
    await observe(world.database);
    const service = await startPaymentService();
    closing.push(() => service.stop());
    const pool = await startWorkerPool(world, {
      workers: options.workers,
      ...(options.logFile === undefined ? {} : { logFile: options.logFile }),
      environment: {
        CHAOS_SERVICE: service.url,
        CHAOS_SEED: String(options.seed),
        CHAOS_ESTIMATE_FAILURES: String(options.rates.estimate),
      },
    });
    closing.push(() => pool.stop());
    return { world, service, pool, workers: options.workers, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
