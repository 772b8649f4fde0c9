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

/**
 * The same workflows twice: `run` is what workers carry out, `replay` tells in addition what it decides.
 * Only a replay loads the second.
 */
export type BundleKind = 'run' | 'replay';

const fileNames = { run: 'workflow-bundle.js', replay: 'replay-bundle.js' } as const;
export const bundleFileName = (kind: BundleKind): string => fileNames[kind];

/** The folders that a bundle is made of. */
const sources = ['contracts', 'rules', 'workflows'];

/** The path of a bundle of today's workflow code: the package's own, or one cached by content. */
export async function workflowBundle(
  cacheFolder: string,
  kind: BundleKind = 'run',
): Promise<string> {
  // Where a built package has it.
  const built = join(root, bundleFileName(kind));
  if (existsSync(built)) return built;
  const name = kind === 'run' ? 'workflows' : 'replay';
  const file = join(cacheFolder, `${name}-${hashOfSources()}.js`);
  if (existsSync(file)) return file;
  const code = await bundleWorkflows(kind);
  mkdirSync(cacheFolder, { recursive: true });
  // Renamed into place, so that another process never reads half a bundle.
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, code);
  renameSync(unfinished, file);
  return file;
}

/** Names workflow code in histories, so that runs can be found and reset by it: 12 characters of its hash. */
export const bundleName = (file: string): string =>
  createHash('sha256').update(readFileSync(file)).digest('base64url').slice(0, 12);

export async function bundleWorkflows(kind: BundleKind): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: sourceOf('index'),
    workflowInterceptorModules: kind === 'run' ? [] : [sourceOf('watch-replay')],
    logger: quiet,
  });
  return `${cheapPromises}${code}`;
}

const sourceOf = (name: string): string =>
  [`${name}.js`, `${name}.ts`]
    .map((file) => join(root, 'workflows', file))
    .find((file) => existsSync(file)) ?? join(root, 'workflows', `${name}.ts`);

/**
 * Runs before the bundle in its context, on the bundle's first line, so that its source map holds.
 *
 * For every promise of a workflow the SDK's worker compiles two functions, takes a stack trace and
 * looks each frame up in the source map, all for the `__stack_trace` query: a third of the workflow
 * thread's time. It asks `promise.constructor.constructor` for those functions. Answered from here
 * with an `Error` that has no stack, it stops there. What it needs to know whose promise was
 * rejected stays; errors that are thrown keep their stacks; the query answers with nothing, and the
 * run's current details say what it waits for instead. Anything else that is asked is compiled.
 *
 * What should happen: an option of the worker to leave that query out. There is none in 1.24:
 * https://github.com/temporalio/sdk-typescript/blob/main/packages/worker/src/workflow/vm-shared.ts
 * The sign that this can go: there is one, or `setPromiseHook` is gone from that file.
 */
const cheapPromises = `{
  const compile = Promise.constructor;
  const answers = new Map([
    ['return globalThis.__TEMPORAL_ACTIVATOR__', () => globalThis.__TEMPORAL_ACTIVATOR__],
    ['return globalThis.Error', () => function NoStack() { return { stack: undefined }; }],
  ]);
  Object.defineProperty(Promise, 'constructor', {
    value: function (...source) { return (source.length === 1 && answers.get(source[0])) || compile(...source); },
  });
}`.replaceAll('\n', ' ');

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
  hash.update(sdk.version).update(cheapPromises);
  for (const folder of sources)
    for (const name of readdirSync(join(root, folder)).toSorted())
      hash.update(name).update(readFileSync(join(root, folder, name)));
  return hash.digest('hex').slice(0, 16);
}
