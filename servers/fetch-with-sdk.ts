import { chmodSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fetchProgram, type Fetched, type FetchPlace } from './fetch-program.ts';
import type { FetchedProgram } from './fetched-programs.ts';
import { isExecutable } from './find-executable.ts';
import { lastWords, runCommand } from './run-command.ts';
import { serverLimits } from './server-limits.ts';
import { siblingProgram } from './sibling-program.ts';

/**
 * Lets Temporal's own SDK download the CLI version it prefers, into our cache. In a process of its
 * own, because the SDK offers no end to the wait and its native part is 148 MB.
 */
export function fetchWithSdk(
  program: FetchedProgram,
  { cache, env, log }: FetchPlace,
): Promise<Fetched> {
  return fetchProgram(cache, program, async (folder) => {
    log(`Fetching ${program.title} (${program.size}) by the Temporal SDK, once.`);
    const { command, args } = siblingProgram('sdk-download-main');
    const result = await runCommand(command, [...args, folder], {
      msMax: serverLimits.sdkDownloadMsMax,
      env,
    });
    // The SDK names the file after itself and its version.
    const file = readdirSync(folder).find(
      (name) => name.startsWith('temporal') && isExecutable(join(folder, name)),
    );
    if (result.code !== 0 || file === undefined)
      return `the SDK's own download failed (${lastWords(result, 1) || 'it left no file'})`;
    mkdirSync(join(folder, dirname(program.file)), { recursive: true });
    renameSync(join(folder, file), join(folder, program.file));
    chmodSync(join(folder, program.file), 0o755);
    return undefined;
  });
}
