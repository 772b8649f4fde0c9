import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';
import type { FoundProgram } from './found-program.ts';
import { makeFolder } from './make-folder.ts';
import { giveTo, handOver, type RunAs } from './postgres-run-as.ts';
import { lastWords, runCommand } from './run-command.ts';
import { serverEnvironment } from './server-environment.ts';
import { serverLimits } from './server-limits.ts';

export const databaseUser = 'belayer';
export const databaseName = 'belayer';

export interface PostgresCluster {
  readonly folder: string;
  readonly password: string;
}

/** The major version of a data folder, as PostgreSQL wrote it; undefined when there is no data folder. */
export function clusterMajor(dataFolder: string): string | undefined {
  const file = join(dataFolder, 'postgres', 'PG_VERSION');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/**
 * The data folder of the embedded PostgreSQL, made on the first call. It listens on a port that
 * every user of the machine can reach, so it gets a random password, kept beside it for its owner only.
 * @throws SettingsRejected  The folder was made by another major version, which cannot read it.
 */
export async function madeCluster(
  dataFolder: string,
  program: FoundProgram,
  runAs: RunAs,
): Promise<PostgresCluster> {
  const folder = join(dataFolder, 'postgres');
  const passwordFile = join(dataFolder, 'postgres-password');
  const major = clusterMajor(dataFolder);
  if (major === undefined) {
    if (existsSync(folder)) {
      throw new BelayerError(
        failureType.settingsRejected,
        `${folder} exists and is no PostgreSQL data folder (it has no PG_VERSION). Move it away; Belayer makes a new one.`,
      );
    }
    await initialise({ dataFolder, folder, passwordFile }, program, runAs);
  } else if (major !== String(Number.parseInt(program.version, 10))) {
    throw new BelayerError(
      failureType.settingsRejected,
      `${folder} was made by PostgreSQL ${major}, and the one found here is ${program.version} (${program.path}); a newer one cannot read it. ` +
        `Either name the programs of PostgreSQL ${major} in BELAYER_POSTGRES_BIN (pg_dump there carries the data over), or move ${folder} away to start with an empty database.`,
    );
  }
  if (!existsSync(passwordFile)) {
    throw new BelayerError(
      failureType.settingsRejected,
      `${passwordFile} is missing, and without it nobody can log in to ${folder}. Put it back from a backup, or move ${folder} away to start with an empty database.`,
    );
  }
  await handOver(runAs, folder, program.path);
  return { folder, password: readFileSync(passwordFile, 'utf8').trim() };
}

interface ClusterPlaces {
  readonly dataFolder: string;
  readonly folder: string;
  readonly passwordFile: string;
}

/** Made under another name and renamed at the end: a kill in between leaves nothing that looks finished. */
async function initialise(
  { dataFolder, folder, passwordFile }: ClusterPlaces,
  program: FoundProgram,
  runAs: RunAs,
): Promise<void> {
  const unfinished = join(dataFolder, 'postgres.unfinished');
  rmSync(unfinished, { recursive: true, force: true });
  makeFolder(unfinished, 'BELAYER_DATA');
  writeFileSync(passwordFile, randomBytes(24).toString('hex'), { mode: 0o600 });
  // A copy for the user that runs initdb. Beside the data folder, since initdb wants that one empty.
  const pwfile = join(dataFolder, 'postgres.pwfile');
  rmSync(pwfile, { force: true });
  writeFileSync(pwfile, readFileSync(passwordFile), { mode: 0o600 });
  try {
    await handOver(runAs, unfinished, program.path);
    giveTo(runAs, pwfile);
    // One order of text on every machine, by code point. The builtin provider (17 and newer) knows letters beyond ASCII too.
    const locale =
      Number.parseInt(program.version, 10) >= 17
        ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C']
        : ['--locale=C'];
    const [command, ...args] = [
      ...runAs.prefix,
      join(program.path, 'initdb'),
      `--pgdata=${unfinished}`,
      `--username=${databaseUser}`,
      '--encoding=UTF8',
      ...locale,
      '--auth=scram-sha-256',
      `--pwfile=${pwfile}`,
      '--no-instructions',
    ];
    const result = await runCommand(command, args, {
      msMax: serverLimits.initdbMsMax,
      env: { ...serverEnvironment(), LC_ALL: 'C' },
      cwd: unfinished,
      ...(runAs.user === undefined ? {} : { uid: runAs.user.uid, gid: runAs.user.gid }),
    });
    if (result.code !== 0)
      throw new BelayerError(
        failureType.serverMissing,
        `initdb of PostgreSQL ${program.version} could not make ${folder}: ${lastWords(result)}.`,
      );
    renameSync(unfinished, folder);
  } finally {
    rmSync(pwfile, { force: true });
    rmSync(unfinished, { recursive: true, force: true });
  }
}
