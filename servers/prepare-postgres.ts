import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, isFree } from './free-ports.ts';
import { makeFolder } from './make-folder.ts';
import { databaseName, databaseUser, madeCluster } from './postgres-cluster.ts';
import { waitUntilPostgresServes } from './postgres-readiness.ts';
import { postgresRunAs } from './postgres-run-as.ts';
import { commandLineOf, identityOf } from './process-identity.ts';
import { resolvePostgres } from './resolve-postgres.ts';
import { serverEnvironment } from './server-environment.ts';
import type { ServerLaunch } from './server-launch.ts';
import { stopProcess } from './stop-process.ts';

export interface PreparePostgresOptions {
  readonly dataFolder: string;
  readonly keepPorts?: Readonly<Record<string, number>>;
  readonly portsAreOurs?: boolean;
  /** PostgreSQL settings over ours, for example `{ fsync: 'off' }` in tests that do not care about a power cut. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly log?: (line: string) => void;
}

export type PostgresLaunch = ServerLaunch & { readonly databaseUrl: string };

const defaultSettings: Readonly<Record<string, string>> = {
  // Only programs of this machine may connect.
  listen_addresses: '127.0.0.1',
  // No socket file: its path may be too long, and the URL names the port.
  unix_socket_directories: '',
  // Several workers with a pool each, a console and a few commands.
  max_connections: '200',
  // A developer's machine has other work; the default of 128 MB is for a server.
  shared_buffers: '64MB',
  // A record that was acknowledged survives a power cut: approvals and claims rest on it.
  fsync: 'on',
  synchronous_commit: 'on',
  // A client that vanished without a word lets go of its locks.
  tcp_keepalives_idle: '60',
  log_timezone: 'UTC',
  timezone: 'UTC',
};

/** Finds the programs, makes the data folder and picks the port: all that can be wrong before a process exists. */
export async function preparePostgres(options: PreparePostgresOptions): Promise<PostgresLaunch> {
  const log = options.log ?? (() => {});
  const program = await resolvePostgres({ log });
  const runAs = await postgresRunAs();
  makeFolder(options.dataFolder, 'BELAYER_DATA', 0o755);
  const cluster = await madeCluster(options.dataFolder, program, runAs);
  const former = options.keepPorts?.['postgres'];
  const keeps = former !== undefined && (options.portsAreOurs === true || (await isFree(former)));
  const port = keeps ? former : ((await freePorts(1))[0] as number);
  if (former !== undefined && !keeps)
    log(`Port ${former} is taken by another program; PostgreSQL moves to ${port}.`);
  const [command = '', ...args] = [
    ...runAs.prefix,
    join(program.path, 'postgres'),
    '-D',
    cluster.folder,
    '-p',
    String(port),
    ...Object.entries({ ...defaultSettings, ...options.settings }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]),
  ];
  const databaseUrl = `postgres://${databaseUser}:${cluster.password}@127.0.0.1:${port}/${databaseName}`;
  return {
    name: 'postgres',
    command,
    args,
    env: { ...serverEnvironment(), LC_ALL: 'C' },
    ...(runAs.user === undefined ? {} : { uid: runAs.user.uid, gid: runAs.user.gid }),
    cwd: cluster.folder,
    logFile: join(options.dataFolder, 'logs', 'postgres.log'),
    ports: { postgres: port },
    mark: cluster.folder,
    version: program.version,
    from: program.from,
    // "Fast": open transactions are rolled back, clients are cut off, a checkpoint is written.
    quitSignal: 'SIGINT',
    databaseUrl,
    clearTheWay: () => clearPostmaster(cluster.folder, log),
    waitUntilServing: (signal) => waitUntilPostgresServes(databaseUrl, signal),
  };
}

/**
 * PostgreSQL writes its pid into its data folder and refuses to start while that pid lives. After a
 * kill the pid may belong to another program (soon so in a container): then the note is removed.
 * A postmaster of this very folder that nobody recorded is stopped.
 */
async function clearPostmaster(folder: string, log: (line: string) => void): Promise<void> {
  const note = join(folder, 'postmaster.pid');
  let pid: number;
  try {
    pid = Number.parseInt(readFileSync(note, 'utf8'), 10);
  } catch {
    return;
  }
  const holder = identityOf(pid);
  if (holder === undefined) {
    // Dead, and PostgreSQL sees that itself, unless it is a zombie that nobody collects (a container
    // without an init process): to PostgreSQL that looks alive. Its own check of the shared memory
    // still keeps it from starting beside processes of the dead one.
    if (pidIsTaken(pid)) rmSync(note, { force: true });
    return;
  }
  if (commandLineOf(pid).includes(folder)) {
    log(`Stopping the PostgreSQL of ${folder} that an earlier run left (pid ${pid}).`);
    await stopProcess(holder, 'SIGINT');
  } else {
    log(`Removing ${note}: its pid ${pid} belongs to another program now.`);
    rmSync(note, { force: true });
  }
}

function pidIsTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
