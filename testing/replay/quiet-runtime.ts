import { IllegalStateError } from '@temporalio/common';
import { makeTelemetryFilterString, Runtime } from '@temporalio/worker';

/**
 * For a process of our own that only replays: what a refused history makes Temporal say is in the
 * difference that is shown, and its log would bury that. Where a worker runs in the process, its runtime stays. The
 * runtime ends with the last worker, so it is installed for each replay.
 */
export function installQuietRuntime(): void {
  const silence = (): void => undefined;
  try {
    Runtime.install({
      logger: {
        log: silence,
        trace: silence,
        debug: silence,
        info: silence,
        warn: silence,
        error: silence,
      },
      telemetryOptions: {
        logging: {
          forward: {},
          filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }),
        },
      },
      shutdownSignals: [],
    });
  } catch (error) {
    if (!(error instanceof IllegalStateError)) throw error;
  }
}
