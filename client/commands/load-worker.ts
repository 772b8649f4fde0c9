/* oxlint-disable no-restricted-imports -- the commands that carry runs out need the engine; it is loaded when one runs, here and nowhere else */
/**
 * The one door from the client to the engine: `run`, `worker` and `dev` carry runs out themselves.
 *
 * Loaded when such a command runs, so that reading commands and `belayer/client` stay free of the
 * native worker. The types are imported; the code comes with the call.
 */
import type { App } from '../../definitions/internal.ts';
import type { listPrices as ListPrices } from '../../workers/list-prices.ts';
import type { LoadedApplication } from '../../workers/load-application.ts';
import type { RunningWorker } from '../../workers/start-worker.ts';
import type { WorkerSettings } from '../../workers/settings.ts';
import { WrongUsage } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

export type { LoadedApplication, RunningWorker };

/** @throws WrongUsage, ApplicationFailed, DefinitionRejected */
export async function loadApplicationOf(
  terminal: Terminal,
  named: string | undefined,
): Promise<LoadedApplication> {
  const { loadApplication } = await import('../../workers/load-application.ts');
  return loadApplication(await findApplicationOf(terminal, named));
}

export async function startWorkerOf(
  terminal: Terminal,
  application: { readonly app: App; readonly buildId: string },
  options: {
    readonly signal?: AbortSignal;
    /** The log level where the environment sets none. Default 'warn'. */
    readonly logLevel?: 'error';
  } = {},
): Promise<RunningWorker> {
  const { signal, logLevel } = options;
  const { startWorker } = await import('../../workers/start-worker.ts');
  return startWorker({
    app: application.app,
    buildId: application.buildId,
    environment:
      logLevel === undefined
        ? terminal.environment
        : { BELAYER_LOG: logLevel, ...terminal.environment },
    log: (line) => terminal.note(line),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** @throws SettingsRejected */
export async function readWorkerSettingsOf(terminal: Terminal): Promise<WorkerSettings> {
  const { readWorkerSettings } = await import('../../workers/settings.ts');
  return readWorkerSettings(terminal.environment);
}

/** @throws SettingsRejected */
export async function listPricesOf(
  terminal: Terminal,
  models: readonly string[],
  at: Date,
): Promise<ReturnType<typeof ListPrices>> {
  const { listPrices } = await import('../../workers/list-prices.ts');
  return listPrices(models, await readWorkerSettingsOf(terminal), at);
}

/** @throws WrongUsage  There is no such file. */
export async function findApplicationOf(
  terminal: Terminal,
  named: string | undefined,
): Promise<string> {
  const { findApplication } = await import('../../workers/load-application.ts');
  try {
    return findApplication(named, terminal.folder);
  } catch (error) {
    // Told like any other file that a command line names and that is missing.
    throw new WrongUsage((error as Error).message);
  }
}
