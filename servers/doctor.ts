import { existsSync } from 'node:fs';
import { BelayerError, failureType } from '../contracts/failures.ts';
import {
  hasPython,
  lookAtDataFolder,
  lookAtCache,
  lookAtNode,
  lookAtPlatform,
  lookAtSettings,
  lookAtSupervisor,
  lookAtUser,
  type DoctorFinding,
} from './doctor-findings.ts';
import { checkDatabase, checkTemporal } from './external-servers.ts';
import type { FoundProgram } from './found-program.ts';
import { fromEnvironment } from './lease-servers.ts';
import { resolvePostgres } from './resolve-postgres.ts';
import { resolveTemporalCli } from './resolve-temporal-cli.ts';
import { resolveTestServer } from './resolve-test-server.ts';
import { withoutPassword } from './server-addresses.ts';
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

/** Plain data: fit for JSON as it is. Holds no password. */
export interface DoctorReport {
  /** True when nothing is wrong; something may still have to be fetched. */
  readonly healthy: boolean;
  readonly findings: readonly DoctorFinding[];
  readonly supervisor?: SupervisorStatus;
}

/** Looks at everything the servers need and says what it found. Starts nothing, downloads nothing, leaves nothing behind. */
export async function doctor(options: DoctorOptions): Promise<DoctorReport> {
  const temporalAddress = options.temporalAddress ?? fromEnvironment('TEMPORAL_ADDRESS');
  const namespace = options.temporalNamespace ?? fromEnvironment('TEMPORAL_NAMESPACE') ?? 'default';
  const databaseUrl = options.databaseUrl ?? fromEnvironment('DATABASE_URL');
  const status = await statusOf(options.dataFolder);
  const looked = await Promise.all([
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
  ]);
  const mustFetch = looked.some(
    ({ what, state }) => state === 'absent' && (what === 'temporal-cli' || what === 'postgres'),
  );
  const findings = [...looked, await lookAt('cache', () => lookAtCache(mustFetch))];
  return {
    healthy: findings.every(({ state }) => state !== 'wrong'),
    findings,
    ...(status === undefined ? {} : { supervisor: status }),
  };
}

/** Undefined as well where the data folder cannot be used: its own finding says why. */
async function statusOf(dataFolder: string): Promise<SupervisorStatus | undefined> {
  if (!existsSync(dataFolder)) return undefined;
  let socket: string;
  try {
    ({ socket } = supervisorPlaces(dataFolder));
  } catch {
    return undefined;
  }
  return askStatus(socket);
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
