import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { WrongUsage } from './exit-codes.ts';

export interface RunWords {
  /** The application's file, where the words or `--app` name one. */
  readonly file: string | undefined;
  /** The input in words; undefined where there are none. */
  readonly text: string | undefined;
}

/**
 * What the words of `belayer run` mean: the first is the application's file where it ends like one and
 * `--app` names no other; the rest is the input.
 */
export function parseRunWords(
  words: readonly string[],
  { app, folder }: { readonly app: string | undefined; readonly folder: string },
): RunWords {
  const [first, ...rest] = words;
  const isFile = app === undefined && first !== undefined && /^\S+\.[mc]?[jt]sx?$/.test(first);
  if (isFile && !existsSync(resolve(folder, first)))
    throw new WrongUsage(
      `The application's file ${resolve(folder, first)} does not exist. Where \`${first}\` is the input, name the application: --app FILE.`,
    );
  const said = isFile ? rest : words;
  return {
    file: isFile ? first : app,
    text: said.length === 0 ? undefined : said.join(' '),
  };
}
