import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { devServerFlags } from '../../servers/dev-server-flags.ts';
import { readDevServerSettings } from '../../servers/dev-server-settings.ts';
import { devServerFile, packageFolder } from '../../servers/package-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'belayer-flags-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function settingsOf(text: string) {
  const file = join(folder, 'temporal-dev.yml');
  writeFileSync(file, text);
  return readDevServerSettings(file);
}

test("the package's own temporal-dev.yml becomes flags of `temporal server start-dev`", () => {
  const settings = readDevServerSettings(join(packageFolder(), 'temporal-dev.yml'));
  const flags = devServerFlags(settings, { port: 20_001, uiPort: 20_002, folder: '/data' }).join(
    ' ',
  );
  expect(flags).toMatch(/^server start-dev --ip 127\.0\.0\.1 --port 20001 --ui-port 20002 /);
  expect(flags).toContain('--db-filename /data/temporal.sqlite');
  expect(flags).toContain('--sqlite-pragma journal_mode=WAL');
  expect(flags).toContain('--search-attribute BelayerAgent=Keyword');
  expect(flags).toContain('--dynamic-config-value history.transferProcessorMaxPollRPS=1000');
});

test('values of the dynamic configuration are JSON, and a caller may replace them', () => {
  const settings = settingsOf(
    'dynamicConfig:\n  a.text:\n    - value: yes please\n  a.list:\n    - value: [1, 2]\n',
  );
  const flags = devServerFlags(settings, { port: 1, dynamicConfig: { 'a.text': true } });
  expect(flags).toContain('a.text=true');
  expect(flags).toContain('a.list=[1,2]');
});

test('in memory there is neither a database file nor a pragma for one, and without a port no web page', () => {
  const flags = devServerFlags(settingsOf('sqlitePragmas: { journal_mode: WAL }'), { port: 1 });
  expect(flags).not.toContain('--db-filename');
  expect(flags).not.toContain('--sqlite-pragma');
  expect(flags).toContain('--headless');
});

test('an empty file means the defaults', () => {
  expect(settingsOf('')).toMatchObject({
    namespace: 'default',
    databaseFile: 'temporal.sqlite',
    port: 0,
    uiPort: 0,
  });
});

test.each([
  ['port: 70000', /temporal-dev\.yml.*`port` is 70000/],
  ['prot: 7233', /`prot` is 7233: no such key here/],
  ['searchAttributes: { Customer: String }', /`searchAttributes\.Customer` is "String"/],
  ['databaseFile: ../other/x.sqlite', /`databaseFile` is "\.\.\/other\/x\.sqlite"/],
  ['sqlitePragmas: { "a=b": 1 }', /`sqlitePragmas\.a=b`/],
  [
    'dynamicConfig: { a.b: [{ value: 1 }, { value: 2 }] }',
    /`dynamicConfig\.a\.b`.*one value a key/,
  ],
  [
    'dynamicConfig: { a.b: [{ value: 1, constraints: { namespace: x } }] }',
    /`dynamicConfig\.a\.b\.0\.constraints\.namespace` is "x"/,
  ],
  ['port: [', /is no YAML/],
])('a bad file is refused with the file, the key and the value: %s', (text, message) => {
  expect(() => settingsOf(text)).toThrow(message);
  expect(() => settingsOf(text)).toThrow(expect.objectContaining({ type: 'SettingsRejected' }));
});

test("a project's own temporal-dev.yml beside the data folder is used instead of the package's", () => {
  writeFileSync(join(folder, 'temporal-dev.yml'), '');
  expect(devServerFile(join(folder, '.belayer'))).toBe(join(folder, 'temporal-dev.yml'));
  expect(devServerFile(join(folder, 'deeper', '.belayer'))).toBe(
    join(packageFolder(), 'temporal-dev.yml'),
  );
});

test('the package is found from its compiled files as well', () => {
  expect(packageFolder(join(packageFolder(), 'dist', 'servers'))).toBe(packageFolder());
  expect(() => packageFolder('/')).toThrow(/install belayer again/);
});
