/** Builds what is packed: compiled code in `dist/`, and the workflows as one file beside it. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleFileName, bundleWorkflows } from './workflow-bundle.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
rmSync(join(root, 'dist'), { recursive: true, force: true });
execFileSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')],
  { stdio: 'inherit' },
);
for (const kind of ['run', 'replay'] as const)
  writeFileSync(join(root, 'dist', bundleFileName(kind)), await bundleWorkflows(kind));
