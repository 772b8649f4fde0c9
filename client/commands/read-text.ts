import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { WrongUsage } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** Text that was given as it is, as `@file`, or as `-` for stdin. `named` is who asks for it. */
export async function readText(
  named: string,
  given: string,
  terminal: Pick<Terminal, 'folder' | 'readInput'>,
): Promise<string> {
  if (given === '-') return terminal.readInput();
  if (!given.startsWith('@')) return given;
  const file = resolve(terminal.folder, given.slice(1));
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new WrongUsage(
      `${named} names ${file}, which cannot be read: ${(error as Error).message}`,
    );
  }
}
