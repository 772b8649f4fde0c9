import { readFileSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder } from './make-folder.ts';
import { serverLimits } from './server-limits.ts';

/** Makes the log's folder and moves a log that has grown too large out of the way; returns the size it starts at. */
export function preparedLog(file: string): number {
  makeFolder(dirname(file), 'BELAYER_DATA', 0o755);
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= serverLimits.logBytesMax) return size;
  renameSync(file, `${file}.1`);
  return 0;
}

/** The last lines of a log, from a place in it on; empty when there is none. */
export function lastLines(file: string, fromByte = 0): string {
  try {
    const text = readFileSync(file).subarray(fromByte).toString().trimEnd();
    return text === '' ? '' : text.split('\n').slice(-serverLimits.logLinesShown).join('\n');
  } catch {
    return '';
  }
}
