import { accessSync, constants, existsSync, lstatSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { makeFolder } from './make-folder.ts';

/**
 * Where programs that were fetched are kept: once per user, by version, shared by all projects.
 * `BELAYER_CACHE`, else the user's cache folder, else (a home that cannot be written) a folder of
 * this user below the system's temporary one. Only says where; makes nothing.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const named = env['BELAYER_CACHE'];
  if (named !== undefined && named !== '') return named;
  const usual = env['XDG_CACHE_HOME']
    ? join(env['XDG_CACHE_HOME'], 'belayer')
    : join(env['HOME'] ?? homedir(), '.cache', 'belayer');
  if (couldBeWritten(usual)) return usual;
  const temporary = join(tmpdir(), `belayer-cache-${userInfo().uid}`);
  ownOnly(temporary);
  return temporary;
}

/** The same, made. */
export function madeCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const folder = cacheFolder(env);
  makeFolder(folder, 'BELAYER_CACHE', 0o755);
  return folder;
}

/**
 * Refuses a folder below the system's temporary one that another user made or may write: what lies
 * in ours is executed and listened on.
 */
export function ownOnly(folder: string): void {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  if (
    stat === undefined ||
    (stat.isDirectory() && stat.uid === userInfo().uid && (stat.mode & 0o022) === 0)
  )
    return;
  throw new BelayerError(
    failureType.settingsRejected,
    `${folder} belongs to another user or may be written by others, so Belayer does not use it. Remove it, or name a folder of your own in BELAYER_CACHE or TMPDIR.`,
  );
}

function couldBeWritten(folder: string): boolean {
  let nearest = folder;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  try {
    accessSync(nearest, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
