import { accessSync, constants, mkdirSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/**
 * Where programs that were fetched are kept: once per user, by version, shared by all projects.
 * `BELAYER_CACHE`, else the user's cache folder, else (a home that cannot be written) a folder of
 * this user below the system's temporary one.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const named = env['BELAYER_CACHE'];
  if (named !== undefined && named !== '') return named;
  const usual = env['XDG_CACHE_HOME'] ? join(env['XDG_CACHE_HOME'], 'belayer') : join(env['HOME'] ?? homedir(), '.cache', 'belayer');
  return isWritable(usual) ? usual : join(tmpdir(), `belayer-cache-${userInfo().uid}`);
}

/** The same, made so that only this user may write: what lies in it is executed. */
export function madeCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const folder = cacheFolder(env);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  return folder;
}

function isWritable(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
