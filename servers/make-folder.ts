import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';

/**
 * Makes a folder that a setting names, and what is missing above it.
 *
 * Level by level: `mkdir` with `recursive` never returns on Node 20 where the system refuses a folder
 * below one that exists, as under `/proc` (seen: it asks for both again and again; the same in another
 * program: https://github.com/openclaw/openclaw/issues/130807). It can go when Node throws there.
 * @throws SettingsRejected  Names the folder, the setting and the reason.
 */
export function makeFolder(folder: string, setting: string, mode = 0o700): void {
  if (existsSync(folder)) return;
  if (dirname(folder) !== folder) makeFolder(dirname(folder), setting, 0o755);
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'EEXIST') return;
    throw new BelayerError(
      failureType.settingsRejected,
      `The folder ${folder} cannot be made: ${(error as Error).message}. Name another in ${setting}.`,
      { cause: error },
    );
  }
}
