import { type Dirent, type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';

const ignoredFolders = new Set(['node_modules', '.git', '.belayer', 'dist', 'coverage']);
/** Code, and what code reads beside it: instructions and settings. */
const watchedFile = /\.([mc]?[jt]sx?|json|md)$/;
const debounceMs = 200;
const foldersMax = 2_000;

/**
 * Calls `onChange` once for each flurry of changes below a folder.
 *
 * One watcher per folder, since a recursive one cannot leave `node_modules` out.
 */
export function watchFiles(folder: string, onChange: (file: string) => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  const drop = (path: string): void => {
    watchers.get(path)?.close();
    watchers.delete(path);
  };
  const add = (path: string): void => {
    if (watchers.has(path) || watchers.size >= foldersMax) return;
    try {
      const watcher = watch(path, (_, name) => changed(path, name));
      watcher.on('error', () => drop(path));
      watchers.set(path, watcher);
    } catch {
      // It was removed in between.
      return;
    }
    for (const child of foldersIn(path)) add(join(path, child.name));
  };
  const changed = (path: string, name: string | null): void => {
    // A new folder is watched from now on, and one that is gone no longer.
    for (const child of foldersIn(path)) add(join(path, child.name));
    if (name === null || !watchedFile.test(name)) return;
    clearTimeout(timer);
    timer = setTimeout(() => onChange(join(path, name)), debounceMs);
  };
  add(folder);
  return () => {
    clearTimeout(timer);
    for (const path of watchers.keys()) drop(path);
  };
}

function foldersIn(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true }).filter(
      (entry) => entry.isDirectory() && !ignoredFolders.has(entry.name),
    );
  } catch {
    return [];
  }
}
