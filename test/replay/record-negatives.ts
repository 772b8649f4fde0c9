/**
 * The only writer of `negative/`: recorded histories with one change, which strict replay must refuse.
 * A file that is there is never written again; `sources.json` beside it says what was changed.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Exported, mutations } from './mutations.ts';

const folder = join(import.meta.dirname, 'negative');
const sourcesFile = join(folder, 'sources.json');
mkdirSync(folder, { recursive: true });
const sources: Record<string, unknown> = existsSync(sourcesFile)
  ? (JSON.parse(readFileSync(sourcesFile, 'utf8')) as Record<string, unknown>)
  : {};
for (const { kept, from, name, change, found } of mutations) {
  if (kept === undefined) continue;
  const file = `${kept}.json`;
  if (existsSync(join(folder, file))) continue;
  const exported = JSON.parse(
    readFileSync(join(import.meta.dirname, 'histories', from), 'utf8'),
  ) as Exported;
  change(exported);
  const text = `${JSON.stringify(exported, null, 1)}\n`;
  writeFileSync(join(folder, file), text);
  const { position, path } = found;
  const hash = createHash('sha256').update(text).digest('hex');
  sources[file] = { from, change: name, position, path, sha256: hash };
  console.log(`wrote ${file}`);
}
writeFileSync(sourcesFile, `${JSON.stringify(sources, null, 2)}\n`);
