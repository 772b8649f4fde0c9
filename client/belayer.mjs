#!/usr/bin/env node
// The `belayer` command. A packed package runs its compiled code; a source checkout runs under tsx.
import { existsSync } from 'node:fs';

const source = new URL('./cli.ts', import.meta.url);
if (existsSync(source)) {
  const { fileURLToPath } = await import('node:url');
  process.env.TSX_TSCONFIG_PATH ??= fileURLToPath(new URL('../tsconfig.json', import.meta.url));
  const { register } = await import('tsx/esm/api');
  register();
  await import(source.href);
} else {
  await import('../dist/client/cli.js');
}
