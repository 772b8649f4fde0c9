import { copyFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Fetched } from './fetch-wheel.ts';
import type { FetchedProgram } from './fetched-programs.ts';
import { isExecutable } from './find-executable.ts';
import { lastWords, runCommand } from './run-command.ts';
import { serverLimits } from './server-limits.ts';
import { siblingProgram } from './sibling-program.ts';

/**
 * Lets Temporal's own SDK download the CLI, into our cache. In a process of its own, because the
 * SDK offers no end to the wait and its native part is 148 MB; killed after `sdkDownloadMsMax`.
 */
export async function fetchWithSdk(cache: string, program: FetchedProgram, log: (line: string) => void, env: NodeJS.ProcessEnv = process.env): Promise<Fetched> {
  log(`Fetching ${program.title} by the Temporal SDK, once.`);
  const unfinished = mkdtempSync(join(cache, `${program.folder}.unfinished-`));
  try {
    const { command, args } = siblingProgram('sdk-download-main');
    const result = await runCommand(command, [...args, unfinished], { msMax: serverLimits.sdkDownloadMsMax, env });
    const file = readdirSync(unfinished).map((name) => join(unfinished, name)).find((path) => /temporal[^/]*$/.test(path) && isExecutable(path));
    if (result.code !== 0 || file === undefined) return { problem: `the SDK's own download failed (${lastWords(result, 1) || 'no file'})` };
    const folder = join(cache, program.folder);
    const whole = join(unfinished, 'whole');
    mkdirSync(join(whole, dirname(program.file)), { recursive: true });
    copyFileSync(file, join(whole, program.file));
    chmodSync(join(whole, program.file), 0o755);
    if (!existsSync(join(folder, program.file))) {
      rmSync(folder, { recursive: true, force: true });
      renameSync(whole, folder);
    }
    return { folder };
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
