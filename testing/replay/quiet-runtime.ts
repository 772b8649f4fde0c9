import { makeTelemetryFilterString, Runtime } from '@temporalio/worker';

let isInstalled = false;

/**
 * For a process of our own that only replays: what a refused history makes Temporal say is in the
 * difference that is shown, and its log would bury that.
 */
export function installQuietRuntime(): void {
  if (isInstalled) return;
  isInstalled = true;
  const silence = (): void => undefined;
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
}
