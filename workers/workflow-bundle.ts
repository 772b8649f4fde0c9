/** The workflows as one file: built once, because bundling takes seconds and starting must not. */
import { bundleWorkflowCode } from '@temporalio/worker';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..');

/** Where a built package has it. */
export const builtBundle = join(root, 'workflow-bundle.js');

/** The folders that a bundle is made of. */
const sources = ['contracts', 'rules', 'workflows'];

/** The path of a bundle of today's workflow code: the package's own, or one cached by content. */
export async function workflowBundle(cacheFolder: string): Promise<string> {
  if (existsSync(builtBundle)) return builtBundle;
  const file = join(cacheFolder, `workflows-${hashOfSources()}.js`);
  if (existsSync(file)) return file;
  const code = await bundleWorkflows();
  mkdirSync(cacheFolder, { recursive: true });
  // Renamed into place, so that another process never reads half a bundle.
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, code);
  renameSync(unfinished, file);
  return file;
}

export async function bundleWorkflows(workflowInterceptorModules: string[] = []): Promise<string> {
  const entry = ['index.ts', 'index.js']
    .map((name) => join(root, 'workflows', name))
    .find(existsSync);
  const { code } = await bundleWorkflowCode({
    workflowsPath: entry ?? join(root, 'workflows', 'index.ts'),
    workflowInterceptorModules,
    logger: quiet,
  });
  return code;
}

/** The bundler's progress is not for users; what goes wrong is thrown. */
const quiet = {
  log: () => undefined,
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function hashOfSources(): string {
  const hash = createHash('sha256');
  const sdk = createRequire(import.meta.url)('@temporalio/workflow/package.json') as {
    readonly version: string;
  };
  hash.update(sdk.version);
  for (const folder of sources)
    for (const name of readdirSync(join(root, folder)).toSorted())
      hash.update(name).update(readFileSync(join(root, folder, name)));
  return hash.digest('hex').slice(0, 16);
}
