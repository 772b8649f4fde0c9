/** Files that a command line names: what is wrong with one is told with its name. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { isBelayerError, WrongUsage } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** @throws WrongUsage  It cannot be read. */
export function readGivenFile({ folder }: Pick<Terminal, 'folder'>, file: string): Buffer {
  const path = resolve(folder, file);
  try {
    return readFileSync(path);
  } catch (error) {
    throw new WrongUsage(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/**
 * What is made of a file. A recording that is none, or was changed, is a wrong input, so the command
 * ends with 2: 1 says that something was found in a recording that is whole.
 *
 * @throws InputRejected  Names the file, and what is wrong with it.
 */
export const namingFile = <Result>(
  { folder }: Pick<Terminal, 'folder'>,
  file: string,
  reading: Promise<Result>,
): Promise<Result> =>
  reading.catch((error: unknown) => {
    // The reader of histories throws these where JSON is no history.
    const isNone = error instanceof TypeError && error.message.startsWith('A history ');
    if (!isNone && !(isBelayerError(error) && error.type === failureType.recordingDamaged))
      throw error;
    throw new BelayerError(
      failureType.inputRejected,
      `${resolve(folder, file)}: ${error.message}`,
      { cause: error },
    );
  });
