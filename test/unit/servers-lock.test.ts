import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { tryLock, waitForLock } from '../../servers/generation-lock.ts';
import { identityOf, isAlive } from '../../servers/process-identity.ts';
import { serverLimits } from '../../servers/server-limits.ts';
import { signalProcess } from '../../servers/stop-process.ts';
import { askStatus, connectSupervisor } from '../../servers/supervisor-connection.ts';
import { socketPath, supervisorPlaces } from '../../servers/supervisor-places.ts';
import { protocolVersion } from '../../servers/supervisor-protocol.ts';
import { Supervisor } from '../../servers/supervisor.ts';
import { watchSilence } from '../../servers/watch-silence.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belayer-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const claim = (generation: number, owner: { pid: number; startedAt: string }) => {
  mkdirSync(join(folder, 'lock'), { recursive: true });
  writeFileSync(join(folder, 'lock', String(generation)), JSON.stringify({ ...owner, nonce: 'x' }));
};

test('a lock is held by one, and the next gets it when it is released', async () => {
  const lock = tryLock(join(folder, 'lock'), 'BELAYER_DATA');
  expect(lock).toHaveProperty('release');
  expect(tryLock(join(folder, 'lock'), 'BELAYER_DATA')).toEqual({ heldBy: process.pid });
  expect(await waitForLock(join(folder, 'lock'), 'BELAYER_DATA', 10)).toBeUndefined();
  if ('release' in lock) lock.release();
  expect(tryLock(join(folder, 'lock'), 'BELAYER_DATA')).toHaveProperty('release');
});

test('a lock of a dead process, or of a pid that another program has now, is outbid and its file removed', () => {
  claim(3, { pid: 2 ** 22 + 1, startedAt: '1' });
  claim(4, { pid: process.pid, startedAt: 'before the reboot' });
  expect(tryLock(join(folder, 'lock'), 'BELAYER_DATA')).toHaveProperty('release');
  expect(readdirSync(join(folder, 'lock'))).toEqual(['5']);
});

test('a released lock leaves its number behind, so that nobody who saw an older one can win', () => {
  const lock = tryLock(join(folder, 'lock'), 'BELAYER_DATA');
  if ('release' in lock) lock.release();
  expect(readdirSync(join(folder, 'lock'))).toEqual(['1']);
});

test('a signal never reaches a process that merely has the same pid', () => {
  expect(signalProcess({ pid: process.pid, startedAt: 'another time' }, 'SIGKILL')).toBe(false);
});

test('a process that ended is not alive, even while it is a zombie', async () => {
  const child = spawn('sleep', ['30']);
  const identity = identityOf(child.pid as number);
  expect(identity && isAlive(identity)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(identity && isAlive(identity)).toBe(false);
});

test('a socket path that the system would cut off moves to a short one, the same for the same folder', () => {
  const long = join(folder, 'x'.repeat(120));
  expect(socketPath(folder, folder)).toBe(join(folder, 'supervisor.sock'));
  const short = socketPath(long, folder);
  expect(Buffer.byteLength(short)).toBeLessThanOrEqual(serverLimits.socketPathBytesMax);
  expect(socketPath(long, folder)).toBe(short);
  expect(socketPath(`${long}y`, folder)).not.toBe(short);
});

test('a socket file that a killed supervisor left is nobody, and the next supervisor replaces it', async () => {
  const places = supervisorPlaces(folder);
  const killed = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(places.socket)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  await once(killed, 'exit');
  expect(existsSync(places.socket)).toBe(true);
  expect(await connectSupervisor(places.socket)).toBeUndefined();

  const supervisor = new Supervisor({ places, graceMs: 60_000, log: () => {} });
  await supervisor.listen();
  expect(await askStatus(places.socket)).toMatchObject({ pid: process.pid, leases: [] });
  await supervisor.stop('the test is over');
  expect(existsSync(places.socket)).toBe(false);
});

test('a client of another version is told to stop the servers, and no server is started for it', async () => {
  const places = supervisorPlaces(folder);
  const supervisor = new Supervisor({ places, graceMs: 60_000, log: () => {} });
  await supervisor.listen();
  const socket = await connectSupervisor(places.socket);
  socket?.write('{"hello":99,"ask":"lease","want":["temporal"]}\n');
  const [line] = (await once(socket as NonNullable<typeof socket>, 'data')) as [Buffer];
  expect(JSON.parse(line.toString())).toMatchObject({
    error: { message: expect.stringMatching(/belayer servers stop/) },
  });
  expect(supervisor.status().servers.map(({ state }) => state)).toEqual(['stopped', 'stopped']);
  await supervisor.stop('the test is over');
});

test('a supervisor says that it lives to who waits for a stop', async () => {
  const places = supervisorPlaces(folder);
  const supervisor = new Supervisor({ places, graceMs: 60_000, log: () => {} });
  await supervisor.listen();
  const socket = await connectSupervisor(places.socket);
  socket?.write(`{"hello":${protocolVersion},"ask":"stop"}\n`);
  const [line] = (await once(socket as NonNullable<typeof socket>, 'data')) as [Buffer];
  expect(JSON.parse(line.toString().split('\n')[0] as string)).toEqual({ alive: true });
  await supervisor.stop('the test is over');
});

test('silence is counted from the last thing heard, and told once', () => {
  vi.useFakeTimers();
  try {
    let told = 0;
    const watch = watchSilence(1_000, () => told++);
    vi.advanceTimersByTime(900);
    watch.heard();
    vi.advanceTimersByTime(900);
    expect(told).toBe(0);
    vi.advanceTimersByTime(5_000);
    expect(told).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});
