import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * How to run a file of this folder as a process of its own: compiled files by plain node, source
 * files by node with tsx, found from here so that the working folder does not matter.
 */
export function siblingProgram(name: string): {
  readonly command: string;
  readonly args: readonly string[];
} {
  const here = fileURLToPath(import.meta.url);
  const extension = extname(here);
  const file = join(dirname(here), `${name}${extension}`);
  const loader =
    extension === '.ts' ? ['--import', pathToFileURL(createRequire(here).resolve('tsx')).href] : [];
  return { command: process.execPath, args: [...loader, file] };
}
