import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { isFolder } from './make-folder.ts';

/**
 * Tries to write in a folder that a setting names, or where it would be made, and leaves nothing
 * there. By a true file, because permissions alone do not tell of a disk that is full.
 * @throws SettingsRejected  Names the folder, the setting and the reason.
 */
export function checkWritable(folder: string, setting: string): void {
  try {
    let nearest = folder;
    while (!isFolder(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
    const trial = join(nearest, `.belayer-trial-${randomBytes(6).toString('hex')}`);
    try {
      writeFileSync(trial, 'Belayer tries whether it may write here.\n', {
        flag: 'wx',
        mode: 0o600,
      });
    } finally {
      rmSync(trial, { force: true });
    }
  } catch (error) {
    throw new BelayerError(
      failureType.settingsRejected,
      `The folder ${folder} cannot be written: ${(error as Error).message}. Make it writable, or name another in ${setting}.`,
      { cause: error },
    );
  }
}
