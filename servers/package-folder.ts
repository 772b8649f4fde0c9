import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BelayerError, failureType } from '../contracts/failures.ts';

export const devServerFileName = 'temporal-dev.yml';

/**
 * The folder of this package: the nearest one above this file that holds `temporal-dev.yml`.
 * Found by walking up, because this file runs from `servers/` and from `dist/servers/`.
 */
export function packageFolder(from: string = dirname(fileURLToPath(import.meta.url))): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, devServerFileName))) return folder;
    if (dirname(folder) === folder) {
      throw new BelayerError(
        failureType.settingsRejected,
        `No ${devServerFileName} in ${from} or above it. It is part of the package; install belayer again.`,
      );
    }
  }
}

/** The dev server's settings of a project: its own file beside the data folder, else the package's. */
export function devServerFile(dataFolder: string): string {
  const own = join(dirname(dataFolder), devServerFileName);
  return existsSync(own) ? own : join(packageFolder(), devServerFileName);
}
