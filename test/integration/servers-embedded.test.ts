import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Connection } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  doctor,
  leaseServers,
  renderDoctor,
  startOwnServers,
  stopServers,
  type Lease,
} from '../../servers/index.ts';
import { ask } from '../../servers/postgres-readiness.ts';
import { commandLineOf, isAlive, type ProcessIdentity } from '../../servers/process-identity.ts';
import { readRecord } from '../../servers/servers-record.ts';
import { signalProcess } from '../../servers/stop-process.ts';
import { askStatus } from '../../servers/supervisor-connection.ts';
import { supervisorPlaces } from '../../servers/supervisor-places.ts';

// Nothing named: what a developer's own environment says must not reach these tests.
for (const name of ['TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'DATABASE_URL'])
  delete process.env[name];

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function eventually<Value>(
  msMax: number,
  ask: () => Promise<Value | undefined> | Value | undefined,
): Promise<Value> {
  let last: unknown;
  for (const end = Date.now() + msMax; Date.now() < end; await sleep(50)) {
    try {
      const value = await ask();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`Not within ${msMax} ms. Last: ${String(last)}`);
}

let root: string;
let dataFolder: string;
const leases: Lease[] = [];
const children: ChildProcess[] = [];
const seen = new Map<number, ProcessIdentity>();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'belayer-embedded-'));
  dataFolder = join(root, '.belayer');
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(leases.splice(0).map((lease) => lease.release()));
  await stopServers(dataFolder);
  const alive = [...seen.values()].filter(isAlive).map(({ pid }) => `${pid} ${commandLineOf(pid)}`);
  seen.clear();
  rmSync(root, { recursive: true, force: true });
  if (alive.length > 0) throw new Error(`Left behind: ${alive.join('; ')}`);
});

/** The processes of the data folder now; remembered, so that the end of the test can say that none is left. */
function processes() {
  const { supervisor, servers } = readRecord(join(dataFolder, 'servers.json'));
  const found = {
    supervisor,
    temporal: servers.temporal?.process,
    postgres: servers.postgres?.process,
  };
  for (const identity of Object.values(found))
    if (identity !== undefined) seen.set(identity.pid, identity);
  return found;
}

async function lease(options: Partial<Parameters<typeof leaseServers>[0]> = {}): Promise<Lease> {
  const held = await leaseServers({ dataFolder, graceMs: 400, ...options });
  leases.push(held);
  processes();
  return held;
}

async function namespaces(address: string): Promise<string[]> {
  const connection = await Connection.connect({ address, connectTimeout: 2_000 });
  try {
    const { namespaces: list } = await connection.workflowService.listNamespaces({});
    return list.map((entry) => entry.namespaceInfo?.name ?? '');
  } finally {
    await connection.close();
  }
}

/** A program in a process of its own, with `servers` and `dataFolder` in reach; ready when it says its first line. */
function programProcess(body: string): { child: ChildProcess; ready: Promise<string> } {
  const script = join(root, `program-${children.length}.mts`);
  const servers = new URL('../../servers/', import.meta.url).href;
  writeFileSync(
    script,
    `const servers = await import('${servers}index.ts'); const { tryLock } = await import('${servers}generation-lock.ts');
     const dataFolder = ${JSON.stringify(dataFolder)}; ${body}; setInterval(() => {}, 1000);`,
  );
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const child = spawn(process.execPath, ['--import', tsx, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return {
    child,
    ready: once(child.stdout as NonNullable<typeof child.stdout>, 'data').then(([data]) =>
      String(data).trim(),
    ),
  };
}

/** A client that says the database's URL when it has its lease, and then holds it. */
const clientProcess = () =>
  programProcess(
    'console.log((await servers.leaseServers({ dataFolder, graceMs: 400 })).addresses.databaseUrl)',
  );

describe('embedded servers', { timeout: 60_000 }, () => {
  test('the first lease starts both, the second joins them, and they stop after the last one', async () => {
    const first = await lease();
    const second = await lease();
    expect(second.addresses).toEqual(first.addresses);
    expect(first.addresses).toMatchObject({
      temporal: { namespace: 'default', embedded: true },
      databaseEmbedded: true,
    });
    expect(await namespaces(first.addresses.temporal.address)).toContain('default');
    expect(
      await ask(
        first.addresses.databaseUrl,
        'select current_database() as name, current_setting($$fsync$$) as fsync',
      ),
    ).toEqual([{ name: 'belayer', fsync: 'on' }]);
    const ui = await fetch(first.addresses.temporal.uiUrl as string);
    expect(ui.status).toBe(200);
    const before = processes();

    await first.release();
    await sleep(800);
    expect(isAlive(before.supervisor as ProcessIdentity)).toBe(true);
    await second.release();
    await eventually(
      10_000,
      () =>
        !Object.values(before).some((identity) => identity !== undefined && isAlive(identity)) ||
        undefined,
    );

    const again = await lease();
    expect(again.addresses).toEqual(first.addresses);
  });

  test('the database takes no one in without its password, which only its owner may read', async () => {
    const { addresses } = await lease({ temporalAddress: '127.0.0.1:1', checkTemporal: false });
    expect(addresses.temporal).toEqual({
      address: '127.0.0.1:1',
      namespace: 'default',
      embedded: false,
    });
    expect(processes().temporal, 'a server that is named is not started').toBeUndefined();
    const wrong = new URL(addresses.databaseUrl);
    wrong.password = 'wrong';
    await expect(ask(wrong.toString(), 'select 1')).rejects.toThrow(
      /password authentication failed/,
    );
    expect(statSync(join(dataFolder, 'postgres-password')).mode & 0o077).toBe(0);
    expect(statSync(dataFolder).mode & 0o077).toBe(0);
    expect(readFileSync(join(dataFolder, 'servers.json'), 'utf8')).not.toContain(
      new URL(addresses.databaseUrl).password,
    );
  });

  test('a namespace that is asked for exists, with the search attributes of the settings', async () => {
    const { addresses } = await lease({
      temporalNamespace: 'tenant-7',
      databaseUrl: await ownDatabase(),
    });
    expect(addresses.temporal.namespace).toBe('tenant-7');
    const connection = await Connection.connect({ address: addresses.temporal.address });
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({
        namespace: 'tenant-7',
      });
      expect(Object.keys(customAttributes)).toContain('BelayerAgent');
    } finally {
      await connection.close();
    }
  });

  test('a killed Temporal and a killed PostgreSQL come back on their ports with what they kept', async () => {
    const { addresses } = await lease({ temporalNamespace: 'kept' });
    await ask(addresses.databaseUrl, 'create table kept (word text)');
    await ask(addresses.databaseUrl, "insert into kept values ('still here')");
    const before = processes();

    expect(signalProcess(before.temporal as ProcessIdentity, 'SIGKILL')).toBe(true);
    expect(await eventually(15_000, () => namespaces(addresses.temporal.address))).toContain(
      'kept',
    );
    expect(signalProcess(before.postgres as ProcessIdentity, 'SIGKILL')).toBe(true);
    expect(
      await eventually(15_000, () => ask(addresses.databaseUrl, 'select word from kept')),
    ).toEqual([{ word: 'still here' }]);

    const after = processes();
    expect(after.supervisor).toEqual(before.supervisor);
    expect(after.temporal?.pid).not.toBe(before.temporal?.pid);
    expect(after.postgres?.pid).not.toBe(before.postgres?.pid);
  });

  test('when the supervisor is killed, whoever holds a lease brings up another, which takes the running servers over', async () => {
    const lines: string[] = [];
    const { addresses } = await lease({ log: (line) => lines.push(line) });
    const before = processes();
    expect(signalProcess(before.supervisor as ProcessIdentity, 'SIGKILL')).toBe(true);
    const status = await eventually(15_000, async () => {
      const now = await askStatus(supervisorPlaces(dataFolder).socket);
      return now?.servers.every(({ state }) => state === 'serving') === true ? now : undefined;
    });
    const after = processes();
    expect(status.pid).not.toBe(before.supervisor?.pid);
    expect(status.leases).toEqual([{ pid: process.pid }]);
    expect(after.temporal).toEqual(before.temporal);
    expect(after.postgres).toEqual(before.postgres);
    expect(lines).toContain('The supervisor of the embedded servers is gone; starting another.');

    // It also restarts a server that is not its child.
    signalProcess(before.postgres as ProcessIdentity, 'SIGKILL');
    await eventually(15_000, () =>
      processes().postgres?.pid !== before.postgres?.pid
        ? ask(addresses.databaseUrl, 'select 1')
        : undefined,
    );
  });

  test('servers that nobody holds after a kill are found by the next lease, or stopped by pid', async () => {
    const { child, ready } = clientProcess();
    const url = await ready;
    const before = processes();
    child.kill('SIGKILL');
    signalProcess(before.supervisor as ProcessIdentity, 'SIGKILL');
    await once(child, 'exit');
    expect(isAlive(before.postgres as ProcessIdentity)).toBe(true);
    const report = await doctor({ dataFolder });
    expect(renderDoctor(report).join('\n')).toMatch(
      /its supervisor was killed; still running: temporal \(pid \d+\), postgres \(pid \d+\)/,
    );

    const { addresses } = await lease();
    expect(addresses.databaseUrl).toBe(url);
    expect(processes().postgres).toEqual(before.postgres);

    signalProcess(processes().supervisor as ProcessIdentity, 'SIGKILL');
    await leases.splice(0)[0]?.release();
    const stopped = await stopServers(dataFolder);
    expect(['leftovers', 'supervisor']).toContain(stopped.stopped);
    expect(
      [before.temporal, before.postgres].map((identity) => isAlive(identity as ProcessIdentity)),
    ).toEqual([false, false]);
  });

  test('two clients at the same moment get one supervisor, also where a killed one left its lock and socket', async () => {
    const stale = await lease();
    signalProcess(processes().supervisor as ProcessIdentity, 'SIGKILL');
    const both = [clientProcess(), clientProcess()];
    const urls = await Promise.all(both.map(({ ready }) => ready));
    expect(new Set([...urls, stale.addresses.databaseUrl]).size).toBe(1);
    processes();
    const status = await askStatus(supervisorPlaces(dataFolder).socket);
    expect(new Set(status?.leases.map(({ pid }) => pid))).toEqual(
      new Set([process.pid, ...both.map(({ child }) => child.pid)]),
    );

    // A lease ends with its process, however that ends.
    both[0]?.child.kill('SIGKILL');
    await eventually(5_000, async () =>
      (await askStatus(supervisorPlaces(dataFolder).socket))?.leases.length === 2
        ? true
        : undefined,
    );
  });

  test('stopping the servers on purpose does not make their holders bring them back', async () => {
    const lines: string[] = [];
    await lease({ log: (line) => lines.push(line) });
    const before = processes();
    expect(await stopServers(dataFolder)).toEqual({
      stopped: 'supervisor',
      pids: [before.supervisor?.pid],
    });
    await sleep(500);
    expect(Object.values(before).some((identity) => isAlive(identity as ProcessIdentity))).toBe(
      false,
    );
    expect(lines.at(-1)).toMatch(/were stopped: somebody asked for it/);
    expect(existsSync(supervisorPlaces(dataFolder).socket)).toBe(false);
    expect(await stopServers(dataFolder)).toEqual({ stopped: 'nothing', pids: [] });
  });

  test('a supervisor that lives but is silent is given up by name, told by the doctor, and killed by a stop', async () => {
    const lines: string[] = [];
    await lease({ log: (line) => lines.push(line) });
    const before = processes();
    const { pid } = before.supervisor as ProcessIdentity;
    expect(signalProcess(before.supervisor as ProcessIdentity, 'SIGSTOP')).toBe(true);

    const [asked, report] = await Promise.all([
      lease().then(
        () => 'got a lease',
        (error: unknown) => error,
      ),
      doctor({ dataFolder }),
    ]);
    expect(asked).toMatchObject({ type: 'ServerUnreachable' });
    const { message } = asked as Error;
    for (const named of [`pid ${pid}`, dataFolder, 'supervisor.log', '`belayer servers stop`'])
      expect(message).toContain(named);
    expect(renderDoctor(report).join('\n')).toMatch(
      new RegExp(`WRONG +supervisor +lives \\(pid ${pid}\\) but does not answer`),
    );

    const began = Date.now();
    const stopped = await stopServers(dataFolder);
    processes();
    expect(Date.now() - began).toBeLessThan(20_000);
    expect(stopped.pids).toContain(pid);
    expect(
      Object.values(before).filter((identity) => isAlive(identity as ProcessIdentity)),
    ).toEqual([]);
    // The holder of the first lease brought up another, which was stopped too and told it why.
    await eventually(
      5_000,
      () => lines.some((line) => /were stopped: somebody asked/.test(line)) || undefined,
    );
    expect(await stopServers(dataFolder)).toEqual({ stopped: 'nothing', pids: [] });
  });

  test('a silent supervisor that nobody holds is killed, and its servers are stopped by pid', async () => {
    const { child, ready } = clientProcess();
    await ready;
    const before = processes();
    signalProcess(before.supervisor as ProcessIdentity, 'SIGSTOP');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await stopServers(dataFolder)).toEqual({
      stopped: 'leftovers',
      pids: [before.supervisor, before.temporal, before.postgres].map((found) => found?.pid),
    });
  });

  test('a data folder that cannot be used is refused by its setting, by a lease and by the doctor', async () => {
    writeFileSync(dataFolder, 'a file where a folder should be');
    const refused = {
      type: 'SettingsRejected',
      message: expect.stringMatching(/\.belayer is not a folder.*BELAYER_DATA/),
    };
    await expect(lease()).rejects.toMatchObject(refused);
    await expect(stopServers(dataFolder)).rejects.toMatchObject(refused);
    const report = await doctor({ dataFolder });
    expect(report.healthy).toBe(false);
    expect(renderDoctor(report).join('\n')).toMatch(/WRONG +data-folder .*is not a folder/);
    rmSync(dataFolder);
  });

  test('a data folder of another PostgreSQL is refused with both versions, and nothing is left running', async () => {
    await lease({ temporalAddress: '127.0.0.1:1', checkTemporal: false });
    await stopServers(dataFolder);
    writeFileSync(join(dataFolder, 'postgres', 'PG_VERSION'), '12\n');
    await expect(lease()).rejects.toMatchObject({
      type: 'SettingsRejected',
      message: expect.stringMatching(
        /made by PostgreSQL 12, and the one found here is \d+.*BELAYER_POSTGRES_BIN/s,
      ),
    });
    processes();
  });

  test('a wrong temporal-dev.yml of the project is told to the client, not only to a log', async () => {
    writeFileSync(join(root, 'temporal-dev.yml'), 'port: many\n');
    await expect(lease({ databaseUrl: await ownDatabase() })).rejects.toThrow(
      /temporal-dev\.yml: `port` is "many"/,
    );
  });

  test('a supervisor that cannot start tells why', async () => {
    await lease({ temporalAddress: '127.0.0.1:1', checkTemporal: false });
    await stopServers(dataFolder);
    rmSync(join(dataFolder, 'supervisor.lock'), { recursive: true });
    writeFileSync(join(dataFolder, 'supervisor.lock'), 'a file where a folder should be');
    await expect(lease()).rejects.toMatchObject({
      type: 'ServerMissing',
      message: expect.stringMatching(/supervisor\.lock is not a folder/),
    });
    rmSync(join(dataFolder, 'supervisor.lock'));
  });

  test('a named server that does not answer is refused by the name of its setting', async () => {
    await expect(
      lease({ databaseUrl: 'postgres://me:secret@127.0.0.1:1/x' }),
    ).rejects.toMatchObject({
      type: 'ServerUnreachable',
      message: expect.stringMatching(
        /^The database postgres:\/\/me:\*\*\*@127\.0\.0\.1:1\/x \(DATABASE_URL\)/,
      ),
    });
    await expect(lease({ temporalAddress: 'http://localhost:7233' })).rejects.toThrow(
      /expected host:port without a scheme/,
    );
  });
});

describe('servers of a test', { timeout: 60_000 }, () => {
  test('they start side by side, survive a kill and a restart on the same port, and leave nothing', async () => {
    const own = await startOwnServers({
      postgresSettings: { fsync: 'off' },
      dynamicConfig: { 'limit.maxIDLength': 500 },
    });
    const pids = [own.temporalPid, own.postgresPid];
    try {
      await ask(own.addresses.databaseUrl, 'create table kept (word text)');
      await Promise.all([own.killTemporal(), own.killPostgres()]);
      await expect(ask(own.addresses.databaseUrl, 'select 1')).rejects.toThrow(/ECONNREFUSED/);
      await Promise.all([own.restartTemporal(), own.restartPostgres()]);
      expect(await ask(own.addresses.databaseUrl, 'select * from kept')).toEqual([]);
      expect(await namespaces(own.addresses.temporal.address)).toContain('default');
      pids.push(own.temporalPid, own.postgresPid);
      expect(new Set(pids).size).toBe(4);
    } finally {
      await own.stop();
    }
    expect(existsSync(own.folder)).toBe(false);
    expect(pids.filter((pid) => commandLineOf(pid as number).includes(own.folder))).toEqual([]);
  });

  test.runIf(process.platform === 'linux')(
    'a test run that is killed takes them with it',
    async () => {
      const { child, ready } = programProcess(
        "const own = await servers.startOwnServers({ folder: dataFolder, postgresSettings: { fsync: 'off' } }); console.log(own.temporalPid + ' ' + own.postgresPid)",
      );
      const pids = (await ready).split(' ').map(Number);
      expect(pids.map((pid) => commandLineOf(pid).includes(dataFolder))).toEqual([true, true]);
      child.kill('SIGKILL');
      await eventually(
        5_000,
        () => pids.every((pid) => !commandLineOf(pid).includes(dataFolder)) || undefined,
      );
    },
  );

  test('PostgreSQL of the machine works as well, and as another user where root has no user namespaces', async () => {
    const settings = {
      BELAYER_POSTGRES_BIN: '/usr/lib/postgresql/15/bin',
      BELAYER_POSTGRES_RUN_AS: 'nobody',
    };
    if (!existsSync(settings.BELAYER_POSTGRES_BIN) || process.getuid?.() !== 0) return;
    chmodSync(root, 0o755);
    Object.assign(process.env, settings);
    try {
      const own = await startOwnServers({ folder: dataFolder, temporal: false });
      try {
        expect(
          await ask(
            own.addresses.databaseUrl,
            'select lower($$ABC$$) as word, split_part(version(), $$ $$, 2) as version',
          ),
        ).toEqual([{ word: 'abc', version: expect.stringMatching(/^15/) }]);
        expect(statSync(join(dataFolder, 'postgres')).uid).not.toBe(0);
      } finally {
        await own.stop();
      }
    } finally {
      for (const name of Object.keys(settings)) delete process.env[name];
    }
  });
});

describe('the lock between processes', { timeout: 60_000 }, () => {
  test('of many that find a dead holder at the same moment, one wins', async () => {
    mkdirSync(dataFolder);
    writeFileSync(
      join(dataFolder, '7'),
      JSON.stringify({ pid: 2 ** 22 + 1, startedAt: '1', nonce: 'x' }),
    );
    const start = Date.now() + 3_500;
    const contender = `while (Date.now() < ${start}); for (let round = 0; round < 20; round++) { const lock = tryLock(dataFolder, 'BELAYER_DATA'); if ('release' in lock) { console.log('won'); break; } } console.log('.')`;
    const said = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const { child } = programProcess(contender);
        let text = '';
        child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
        await eventually(20_000, () => text.includes('.') || undefined);
        return text.includes('won');
      }),
    );
    expect(said.filter(Boolean)).toHaveLength(1);
  });
});

/** A URL that answers, for tests that are about Temporal alone. */
async function ownDatabase(): Promise<string> {
  const own = await startOwnServers({ temporal: false, postgresSettings: { fsync: 'off' } });
  leases.push({ addresses: own.addresses, release: () => own.stop() });
  return own.addresses.databaseUrl;
}
