import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { ownOnly } from './cache-folder.ts';
import { makeFolder } from './make-folder.ts';
import { serverLimits } from './server-limits.ts';

/** Where the things of a data folder's supervisor are. */
export interface SupervisorPlaces {
  readonly dataFolder: string;
  readonly socket: string;
  readonly lockFolder: string;
  readonly record: string;
  readonly log: string;
}

/** `dataFolder` as one absolute path without links, so that two ways to the same folder meet the same supervisor. Makes it. */
export function supervisorPlaces(dataFolder: string): SupervisorPlaces {
  // It holds conversations: for its owner only.
  makeFolder(dataFolder, 'BELAYER_DATA');
  const folder = realpathSync(resolve(dataFolder));
  return {
    dataFolder: folder,
    socket: socketPath(folder),
    lockFolder: join(folder, 'supervisor.lock'),
    record: join(folder, 'servers.json'),
    log: join(folder, 'logs', 'supervisor.log'),
  };
}

/** In the data folder where the path fits; else, named by a hash of it, in a temporary folder only this user may enter. */
export function socketPath(folder: string, temporaryFolder: string = tmpdir()): string {
  const near = join(folder, 'supervisor.sock');
  if (Buffer.byteLength(near) <= serverLimits.socketPathBytesMax) return near;
  const own = join(temporaryFolder, `belayer-${userInfo().uid}`);
  ownOnly(own);
  makeFolder(own, 'TMPDIR');
  return join(own, `${createHash('sha256').update(folder).digest('hex').slice(0, 24)}.sock`);
}
