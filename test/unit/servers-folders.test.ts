import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkWritable } from '../../servers/check-writable.ts';
import { lookAtCache, lookAtDataFolder } from '../../servers/doctor-findings.ts';
import { makeFolder } from '../../servers/make-folder.ts';
import { preparedLog } from '../../servers/server-log.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belayer-folders-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

// Not at its use: knip would take it for a package's program.
const changeAttributes = 'chattr';

const refused = (reason: RegExp) => ({
  type: 'SettingsRejected',
  message: expect.stringMatching(reason),
});

function thrownBy(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

test('a folder is made with what is missing above it, and only it is closed to others', () => {
  makeFolder(join(folder, 'a', 'b'), 'BELAYER_DATA');
  expect(statSync(join(folder, 'a', 'b')).mode & 0o777).toBe(0o700);
  makeFolder(join(folder, 'a', 'b'), 'BELAYER_DATA');
});

test('a file, a path below a file and a link to nowhere are no folder, and the message says so', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));
  for (const path of [file, join(file, 'below')]) {
    const reason = new RegExp(`${path} .*file is not a folder.*BELAYER_DATA`);
    expect(thrownBy(() => makeFolder(path, 'BELAYER_DATA'))).toMatchObject(refused(reason));
    expect(thrownBy(() => checkWritable(path, 'BELAYER_DATA'))).toMatchObject(refused(reason));
  }
  expect(thrownBy(() => makeFolder(join(folder, 'link'), 'BELAYER_DATA'))).toMatchObject(
    refused(/EEXIST.*BELAYER_DATA/),
  );
});

test('trying to write leaves nothing, neither in the folder nor above one that is not there yet', () => {
  checkWritable(folder, 'BELAYER_DATA');
  checkWritable(join(folder, 'not', 'yet'), 'BELAYER_DATA');
  expect(readdirSync(folder)).toEqual([]);
});

/** `/proc` takes no file from anybody, root included. */
test.runIf(existsSync('/proc/1'))(
  'a folder that cannot be written is told with setting and reason, by the doctor too',
  async () => {
    expect(thrownBy(() => preparedLog('/proc/belayer/logs/supervisor.log'))).toMatchObject(
      refused(/^The folder \/proc\/belayer\/logs cannot be made: E.*BELAYER_DATA/),
    );
    expect(thrownBy(() => lookAtDataFolder('/proc/belayer'))).toMatchObject(
      refused(/^The folder \/proc\/belayer cannot be written: E.*BELAYER_DATA/),
    );
    const former = process.env['BELAYER_CACHE'];
    process.env['BELAYER_CACHE'] = '/proc';
    try {
      expect(await lookAtCache(true)).toMatchObject({ state: 'wrong' });
      expect(await lookAtCache(false)).toMatchObject({
        state: 'note',
        said: expect.stringMatching(/^The folder \/proc cannot be written.*BELAYER_CACHE/),
      });
    } finally {
      if (former === undefined) delete process.env['BELAYER_CACHE'];
      else process.env['BELAYER_CACHE'] = former;
    }
  },
);

test('an immutable folder is refused, to root as well', (context) => {
  const immutable = join(folder, 'immutable');
  mkdirSync(immutable);
  try {
    execFileSync(changeAttributes, ['+i', immutable], { stdio: 'ignore' });
  } catch {
    return context.skip('chattr does not work here');
  }
  try {
    expect(thrownBy(() => makeFolder(join(immutable, 'logs'), 'BELAYER_DATA'))).toMatchObject(
      refused(/cannot be made: EPERM.*BELAYER_DATA/),
    );
    expect(thrownBy(() => checkWritable(immutable, 'BELAYER_DATA'))).toMatchObject(
      refused(/cannot be written: EPERM.*BELAYER_DATA/),
    );
  } finally {
    execFileSync(changeAttributes, ['-i', immutable]);
  }
});
