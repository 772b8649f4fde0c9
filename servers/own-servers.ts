import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invariant } from '../contracts/failures.ts';
import { devServerFileName, packageFolder } from './package-folder.ts';
import { preparePostgres, type PostgresLaunch } from './prepare-postgres.ts';
import { prepareTemporal, type TemporalLaunch } from './prepare-temporal.ts';
import { startServer, type RunningServer } from './running-server.ts';
import type { ServerAddresses } from './server-addresses.ts';
import type { ServerLaunch } from './server-launch.ts';
import { serverLimits } from './server-limits.ts';
import { signalProcess } from './stop-process.ts';

export interface OwnServersOptions {
  /** Where their data lives; absent: a temporary folder, removed at the end. */
  readonly folder?: string;
  /** Default true. */
  readonly temporal?: boolean;
  /** Default true. */
  readonly postgres?: boolean;
  /** Values of Temporal's dynamic configuration over those of `temporal-dev.yml`. */
  readonly dynamicConfig?: Readonly<Record<string, unknown>>;
  /** No database file: faster, and a restart forgets everything. */
  readonly temporalInMemory?: boolean;
  /** PostgreSQL settings over ours, for example `{ fsync: 'off' }`. */
  readonly postgresSettings?: Readonly<Record<string, string>>;
  /** Temporal's web page. Default false. */
  readonly temporalUi?: boolean;
  readonly log?: (line: string) => void;
}

export interface OwnServers {
  /** The address of a server that was not asked for is an empty text. */
  readonly addresses: ServerAddresses;
  readonly folder: string;
  readonly temporalPid: number | undefined;
  readonly postgresPid: number | undefined;
  /** Stops it cleanly if it runs, and starts it on the same port with the same data. */
  restartTemporal(): Promise<void>;
  restartPostgres(): Promise<void>;
  /** Sends a signal (default SIGKILL) and waits until it is gone. It stays dead until it is restarted. */
  killTemporal(signal?: NodeJS.Signals): Promise<void>;
  killPostgres(signal?: NodeJS.Signals): Promise<void>;
  /** Stops both, by pid, and removes a temporary folder. May be called twice. */
  stop(): Promise<void>;
}

/** For tests: servers of their own on free ports, with the flags of the package's `temporal-dev.yml` and without a supervisor. */
export async function startOwnServers(options: OwnServersOptions = {}): Promise<OwnServers> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'belayer-servers-'));
  const log = options.log ?? (() => {});
  const running: { temporal?: RunningServer; postgres?: RunningServer } = {};
  const stop = async (): Promise<void> => {
    await Promise.all([running.temporal?.stop(), running.postgres?.stop()]);
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  };
  try {
    const [temporal, postgres] = await allOrThrow([
      options.temporal === false
        ? undefined
        : startOnFreshPorts(
            () =>
              prepareTemporal({
                dataFolder: folder,
                settingsFile: join(packageFolder(), devServerFileName),
                inMemory: options.temporalInMemory === true,
                headless: options.temporalUi !== true,
                log,
                ...(options.dynamicConfig === undefined
                  ? {}
                  : { dynamicConfig: options.dynamicConfig }),
              }),
            (started) => (running.temporal = started),
          ),
      options.postgres === false
        ? undefined
        : startOnFreshPorts(
            () =>
              preparePostgres({
                dataFolder: folder,
                log,
                ...(options.postgresSettings === undefined
                  ? {}
                  : { settings: options.postgresSettings }),
              }),
            (started) => (running.postgres = started),
          ),
    ] as const);
    const restart = async (name: 'temporal' | 'postgres'): Promise<void> => {
      const former = running[name];
      invariant(former !== undefined, `a server that is restarted was asked for (${name})`);
      await former.stop();
      running[name] = await startOwn(former.launch);
    };
    const kill = async (
      name: 'temporal' | 'postgres',
      signal: NodeJS.Signals = 'SIGKILL',
    ): Promise<void> => {
      const victim = running[name];
      invariant(victim !== undefined, `a server that is killed was asked for (${name})`);
      signalProcess(victim.identity, signal);
      await victim.ended;
    };
    return {
      addresses: {
        temporal: {
          address: temporal === undefined ? '' : `127.0.0.1:${temporal.ports.frontend}`,
          namespace: temporal?.namespace ?? 'default',
          ...(temporal?.ports.ui === undefined
            ? {}
            : { uiUrl: `http://127.0.0.1:${temporal.ports.ui}` }),
          embedded: true,
        },
        databaseUrl: postgres?.databaseUrl ?? '',
        databaseEmbedded: true,
      },
      folder,
      get temporalPid() {
        return running.temporal?.identity.pid;
      },
      get postgresPid() {
        return running.postgres?.identity.pid;
      },
      restartTemporal: () => restart('temporal'),
      restartPostgres: () => restart('postgres'),
      killTemporal: (signal) => kill('temporal', signal),
      killPostgres: (signal) => kill('postgres', signal),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A test run that is killed takes its servers with it. */
const startOwn = (launch: ServerLaunch): Promise<RunningServer> =>
  startServer(launch, () => {}, 'with-parent');

/** Another test may take a port between its choice and its use; then others are chosen. */
async function startOnFreshPorts<Launch extends ServerLaunch & (TemporalLaunch | PostgresLaunch)>(
  prepare: () => Promise<Launch>,
  onStart: (running: RunningServer) => void,
): Promise<Launch> {
  for (let pick = 1; ; pick++) {
    const launch = await prepare();
    try {
      onStart(await startOwn(launch));
      return launch;
    } catch (error) {
      if (pick >= serverLimits.portRepicksMax || !/address already in use/i.test(String(error)))
        throw error;
    }
  }
}

/** Waits for all before it throws, so that nothing is still starting when the caller cleans up. */
async function allOrThrow<Results extends readonly unknown[]>(
  work: Results,
): Promise<{ -readonly [Index in keyof Results]: Awaited<Results[Index]> }> {
  const settled = await Promise.allSettled(work);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return settled.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}
