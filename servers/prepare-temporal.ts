import { join } from 'node:path';
import { devServerFlags } from './dev-server-flags.ts';
import { readDevServerSettings } from './dev-server-settings.ts';
import { freePorts, isFree } from './free-ports.ts';
import { makeFolder } from './make-folder.ts';
import { resolveTemporalCli } from './resolve-temporal-cli.ts';
import { serverEnvironment } from './server-environment.ts';
import type { ServerLaunch } from './server-launch.ts';
import { waitUntilTemporalServes } from './temporal-readiness.ts';

export interface PrepareTemporalOptions {
  readonly dataFolder: string;
  /** The `temporal-dev.yml` to run with. */
  readonly settingsFile: string;
  /** Namespaces beside that of the settings; made when missing. Read at each start. */
  readonly extraNamespaces?: () => readonly string[];
  /** Ports of an earlier start, kept where the settings leave the choice. */
  readonly keepPorts?: Readonly<Record<string, number>>;
  /** True when a process that is ours may still hold those ports. */
  readonly portsAreOurs?: boolean;
  readonly inMemory?: boolean;
  readonly headless?: boolean;
  readonly dynamicConfig?: Readonly<Record<string, unknown>>;
  readonly log?: (line: string) => void;
}

export type TemporalLaunch = ServerLaunch & {
  readonly namespace: string;
  readonly ports: { readonly frontend: number; readonly ui?: number };
};

/** Finds the CLI, reads the settings and picks the ports: all that can be wrong before a process exists. */
export async function prepareTemporal(options: PrepareTemporalOptions): Promise<TemporalLaunch> {
  const settings = readDevServerSettings(options.settingsFile);
  const program = await resolveTemporalCli(options.log === undefined ? {} : { log: options.log });
  makeFolder(options.dataFolder, 'BELAYER_DATA', 0o755);
  const [firstPick, secondPick] = await freePorts(2);
  const keep = async (
    wanted: number,
    former: number | undefined,
    picked: number | undefined,
  ): Promise<number> => {
    if (wanted !== 0) return wanted;
    if (former !== undefined && (options.portsAreOurs === true || (await isFree(former))))
      return former;
    if (former !== undefined)
      options.log?.(`Port ${former} is taken by another program; Temporal moves to ${picked}.`);
    return picked as number;
  };
  const frontend = await keep(settings.port, options.keepPorts?.['frontend'], firstPick);
  const ui =
    options.headless === true
      ? undefined
      : await keep(settings.uiPort, options.keepPorts?.['ui'], secondPick);
  const logFile = join(options.dataFolder, 'logs', 'temporal.log');
  return {
    name: 'temporal',
    command: program.path,
    args: devServerFlags(settings, {
      port: frontend,
      ...(ui === undefined ? {} : { uiPort: ui }),
      ...(options.inMemory === true ? {} : { folder: options.dataFolder }),
      ...(options.dynamicConfig === undefined ? {} : { dynamicConfig: options.dynamicConfig }),
    }),
    env: serverEnvironment(),
    cwd: options.dataFolder,
    logFile,
    ports: ui === undefined ? { frontend } : { frontend, ui },
    mark:
      options.inMemory === true
        ? `--port ${frontend}`
        : join(options.dataFolder, settings.databaseFile),
    version: program.version,
    from: program.from,
    quitSignal: 'SIGTERM',
    namespace: settings.namespace,
    waitUntilServing: (signal) =>
      waitUntilTemporalServes(
        `127.0.0.1:${frontend}`,
        {
          namespaces: [...new Set([settings.namespace, ...(options.extraNamespaces?.() ?? [])])],
          searchAttributes: settings.searchAttributes,
        },
        signal,
      ),
  };
}
