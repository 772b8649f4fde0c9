import { type Belayer, leaseFor } from '../client/connect.ts';
import { type Environment, readSettings, type Settings } from '../client/settings.ts';
import { asApp } from '../definitions/internal.ts';
import type { ServerAddresses } from '../servers/index.ts';
import { type AgentWorker, startAgentWorker } from './agent-worker.ts';
import { modelProvider } from './model-provider.ts';
import { refuseUnpriced } from './refuse-unpriced.ts';
import { readWorkerSettings } from './settings.ts';

export interface StartWorkerOptions {
  /** An application, or one agent: what `defineApp` or `defineAgent` gave. */
  readonly app: unknown;
  /** Default: the process's environment. */
  readonly environment?: Environment;
  /** Names the build in frozen definitions. Default `BELAYER_BUILD_ID`, else 'unnamed'. */
  readonly buildId?: string;
  /** Answers where no OPENAI_API_KEY or OPENAI_BASE_URL is set. Default: the stand-in of `belayer/testing`. */
  readonly standIn?: { readonly baseURL: string };
  /** A line for a person: servers being fetched or started, who answers. */
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface RunningWorker extends AsyncDisposable {
  /** A client on the worker's own connections. It ends with the worker. */
  readonly client: Belayer;
  readonly agents: readonly string[];
  /** With `BELAYER_DEPLOYMENT`: which build this is, and whether starts go to it. */
  readonly build?: AgentWorker['build'];
  readonly addresses: ServerAddresses;
  readonly settings: Settings;
  /** The model that agents without one use; absent where neither the environment nor a stand-in gives one. */
  readonly modelDefault: string | undefined;
  /** Set when the stand-in answers: what to tell the user. */
  readonly notice: string | undefined;
  /** Settles when the worker has ended; rejects when it ended by itself. */
  readonly running: Promise<void>;
  /** Takes no new calls, lets those in flight end (30 s at most), lets go of the servers. */
  stop(): Promise<void>;
}

/**
 * Starts a worker in this process, with the settings of the environment, on servers that are named
 * there or embedded.
 *
 * @throws SettingsRejected, DefinitionRejected, ServerUnreachable, ServerMissing
 * @throws ModelUnpriced  One of the application's models has no price. Nothing was started or published.
 */
export async function startWorker(options: StartWorkerOptions): Promise<RunningWorker> {
  const environment = options.environment ?? process.env;
  const app = asApp(options.app);
  const settings = readSettings(environment);
  const workerSettings = readWorkerSettings(environment);
  const provider = await modelProvider(workerSettings, options);
  const opened = async () => {
    const { modelDefault } = provider;
    refuseUnpriced(app, { ...workerSettings, ...(modelDefault === undefined ? {} : { modelDefault }) }); // prettier-ignore
    return leaseFor(settings, options);
  };
  const lease = await opened().catch(async (error: unknown) => {
    await provider.stop();
    throw error;
  });
  const letGo = async (): Promise<void> => {
    await provider.stop();
    await lease.release();
  };
  try {
    const { modelDefault } = provider;
    const worker = await startAgentWorker({
      app,
      buildId: options.buildId ?? 'unnamed',
      addresses: lease.addresses,
      settings,
      workerSettings: {
        ...workerSettings,
        ...(modelDefault === undefined ? {} : { modelDefault }),
      },
      models: provider.client,
    });
    const untilEnd = async (): Promise<void> => {
      try {
        await worker.running;
      } finally {
        await letGo();
      }
    };
    const running = untilEnd();
    running.catch(() => undefined);
    const stop = async (): Promise<void> => {
      await worker.stop();
      await running;
    };
    return {
      client: worker.client,
      agents: worker.agents,
      ...(worker.build === undefined ? {} : { build: worker.build }),
      addresses: lease.addresses,
      settings,
      modelDefault,
      notice: provider.notice,
      running,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await letGo();
    throw error;
  }
}
