import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkWritable } from './check-writable.ts';
import type { FetchedProgram } from './fetched-programs.ts';
import { waitForLock } from './generation-lock.ts';
import { serverLimits } from './server-limits.ts';

/** Either the folder with the program's files, or the reason why there is none. */
export type Fetched = { readonly folder: string } | { readonly problem: string };

/** What every way to fetch a program is given. */
export interface FetchPlace {
  readonly cache: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
}

/** The folder of a program that is in the cache already. */
export function cachedProgram(cache: string, program: FetchedProgram): string | undefined {
  const folder = join(cache, program.folder);
  return existsSync(join(folder, program.file)) ? folder : undefined;
}

/**
 * Puts a program into the cache. It is made in a sibling folder and renamed, under a lock: two
 * processes do not fetch it twice, and none ever sees half of it.
 * @throws SettingsRejected  The cache folder cannot be written.
 * @param fill  Puts the program's files into the folder; returns why it could not.
 */
export async function fetchProgram(
  cache: string,
  program: FetchedProgram,
  fill: (folder: string) => Promise<string | undefined>,
): Promise<Fetched> {
  checkWritable(cache, 'BELAYER_CACHE');
  const lock = await waitForLock(
    join(cache, `${program.folder}.lock`),
    'BELAYER_CACHE',
    serverLimits.installLockMsMax,
  );
  if (lock === undefined)
    return {
      problem: `another process has been fetching ${program.title} for ${serverLimits.installLockMsMax / 1000} s`,
    };
  const unfinished = mkdtempSync(join(cache, `${program.folder}.unfinished-`));
  try {
    const ready = cachedProgram(cache, program);
    if (ready !== undefined) return { folder: ready };
    const problem = await fill(unfinished);
    if (problem !== undefined) return { problem };
    if (!existsSync(join(unfinished, program.file)))
      return { problem: `what was fetched for ${program.title} holds no ${program.file}` };
    const folder = join(cache, program.folder);
    // A folder without the program's file is a broken install of an earlier day.
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
    return { folder };
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
    lock.release();
  }
}
