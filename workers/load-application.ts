/** An application's file, loaded: TypeScript by tsx, JavaScript as it is. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { type App, asApp } from '../definitions/internal.ts';

export interface LoadedApplication {
  readonly app: App;
  readonly file: string;
  /** Hash of the entry file's bytes: changes when it does. */
  readonly buildId: string;
}

const defaultNames = ['app.ts', 'app.js', 'app.mjs'];

/** @throws ApplicationFailed  No file, a file that does not load, or one that exports no application. */
export function findApplication(named: string | undefined, folder = process.cwd()): string {
  const candidates = named === undefined ? defaultNames : [named];
  const found = candidates.map((name) => resolve(folder, name)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new BelayerError(
    failureType.applicationFailed,
    named === undefined
      ? `There is no ${defaultNames.join(', ')} in ${folder}. Name the application: --app FILE.`
      : `The application's file ${resolve(folder, named)} does not exist.`,
  );
}

export async function loadApplication(file: string): Promise<LoadedApplication> {
  const { tsImport } = await import('tsx/esm/api');
  let module: { readonly default?: unknown };
  try {
    const url = pathToFileURL(file).href;
    module = (
      /\.[mc]?tsx?$/.test(file) ? await tsImport(url, import.meta.url) : await import(url)
    ) as typeof module;
  } catch (error) {
    if (error instanceof BelayerError || isBelayerError(error)) throw error;
    throw new BelayerError(
      failureType.applicationFailed,
      `The application ${file} could not be loaded: ${describe(error)}`,
      { cause: error },
    );
  }
  const buildId = createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 12);
  return { app: asApp(module.default ?? module), file, buildId };
}

/** Another copy of this package may have thrown it: known by its type, not its class. */
const isBelayerError = (error: unknown): boolean =>
  error instanceof Error && Object.values<string>(failureType).includes(error.name);

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const where = error.stack
    ?.split('\n')
    .find((line) => /\((file:|\/)/.test(line))
    ?.trim();
  return `${error.message}${where === undefined ? '' : ` (${where.replace(/^at /, '')})`}`;
}
