import { mkdirSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';

/**
 * Makes a folder that a setting names, and what is missing above it.
 *
 * Level by level: `mkdir` with `recursive` never returns on Node 20 where the system refuses a folder
 * below one that exists, as under `/proc` (seen: it asks for both again and again; the same in another
 * program: https://github.com/openclaw/openclaw/issues/130807). It can go when Node throws there.
 * @throws SettingsRejected  Names the folder, the setting and the reason: also where a file is in the way.
 */
export function makeFolder(folder: string, setting: string, mode = 0o700): void {
  try {
    makeLevels(folder, mode);
  } catch (error) {
    throw new BelayerError(
      failureType.settingsRejected,
      `The folder ${folder} cannot be made: ${(error as Error).message}. Name another in ${setting}.`,
      { cause: error },
    );
  }
}

function makeLevels(folder: string, mode: number): void {
  if (isFolder(folder)) return;
  if (dirname(folder) !== folder) makeLevels(dirname(folder), 0o755);
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    // Another process may have made it in between.
    if ((error as { code?: unknown }).code !== 'EEXIST' || !isFolder(folder)) throw error;
  }
}

/** False where nothing is. Something that is no folder is an error: nothing can be made below it. */
export function isFolder(path: string): boolean {
  const stat = statOf(path);
  if (stat !== undefined && !stat.isDirectory()) throw new Error(`${path} is not a folder`);
  return stat !== undefined;
}

/** Below a file there is nothing either: the file itself is met, and named, one level up. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOTDIR') return undefined;
    throw error;
  }
}
