/** New mails as they come. A folder is looked at again and again: file events do not cross every mount. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { listMails } from './mail.ts';

const lookEveryMs = 1_000;

/** Names of files that were not there before, once each is no longer being written. Ends with `stop`. */
export async function* newMails(
  folder: string,
  known: readonly string[],
  stop: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const handled = new Set(known);
  const sizes = new Map<string, number>();
  while (!stop.aborted) {
    await pause(lookEveryMs, stop);
    const files = await listMails(folder).catch(() => []);
    const ready: string[] = [];
    for (const file of files.filter((name) => !handled.has(name))) {
      const size = await stat(join(folder, file)).then(
        (found) => found.size,
        () => -1,
      );
      if (size >= 0 && sizes.get(file) === size) ready.push(file);
      sizes.set(file, size);
    }
    for (const file of ready) handled.add(file);
    if (ready.length > 0) yield ready;
  }
}

const pause = (ms: number, stop: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener('abort', end);
  });
