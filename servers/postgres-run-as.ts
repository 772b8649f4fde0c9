/**
 * Who runs PostgreSQL. It refuses root, and a container or a CI machine often is root.
 *
 * As root the first choice is `unshare -U`: inside a user namespace without a mapping PostgreSQL
 * takes itself for "nobody" while its files stay root's, so nothing has to change hands. Where the
 * system forbids that, it runs as the user `postgres` or `nobody`, who then owns its data folder.
 * `BELAYER_POSTGRES_RUN_AS` decides otherwise: `namespace`, or a user's name.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { findOnPath } from './find-executable.ts';
import { runCommand } from './run-command.ts';

export interface RunAs {
  readonly how: 'self' | 'namespace' | 'user';
  /** Words before the command. */
  readonly prefix: readonly string[];
  readonly user?: { readonly name: string; readonly uid: number; readonly gid: number };
}

export async function postgresRunAs(env: NodeJS.ProcessEnv = process.env): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { how: 'self', prefix: [] };
  const wish = env['BELAYER_POSTGRES_RUN_AS'] ?? '';
  if (wish === '' || wish === 'namespace') {
    const unshare = findOnPath('unshare', env['PATH']);
    if (unshare !== undefined && (await runCommand(unshare, ['-U', 'true'])).code === 0)
      return { how: 'namespace', prefix: [unshare, '-U'] };
    if (wish === 'namespace') {
      throw new BelayerError(
        failureType.settingsRejected,
        `BELAYER_POSTGRES_RUN_AS is 'namespace', but \`unshare -U true\` fails here. Name a user instead, for example nobody.`,
      );
    }
  }
  const names = wish === '' ? ['postgres', 'nobody'] : [wish];
  const user = names.map(userByName).find((found) => found !== undefined);
  if (user !== undefined) return { how: 'user', prefix: [], user };
  throw new BelayerError(
    wish === '' ? failureType.serverMissing : failureType.settingsRejected,
    `PostgreSQL does not run as root, user namespaces are off, and there is no user ${names.join(' or ')}. Run Belayer as another user, name one in BELAYER_POSTGRES_RUN_AS, or set DATABASE_URL.`,
  );
}

/** Makes a file or a folder with all in it belong to the user that runs PostgreSQL, where that is another one. */
export function giveTo(runAs: RunAs, path: string): void {
  if (runAs.user !== undefined && existsSync(path)) chownTree(path, runAs.user.uid, runAs.user.gid);
}

/** Gives PostgreSQL's folder to the user it runs as, and checks that this user can get there and run the programs. */
export async function handOver(runAs: RunAs, folder: string, programs: string): Promise<void> {
  const { user } = runAs;
  if (user === undefined) return;
  giveTo(runAs, folder);
  // Our data folder is closed to others; this user must pass through it.
  const above = dirname(folder);
  chmodSync(above, statSync(above).mode | 0o011);
  const reach = await runCommand(
    '/bin/sh',
    ['-c', 'cd "$1" && "$2" --version', 'sh', folder, join(programs, 'postgres')],
    { uid: user.uid, gid: user.gid, cwd: '/' },
  );
  if (reach.code === 0) return;
  throw new BelayerError(
    failureType.serverMissing,
    `PostgreSQL has to run as user ${user.name} here (root is refused, user namespaces are off), and that user cannot reach ${folder} or ${programs}. ` +
      `Move the project and BELAYER_CACHE to folders every user may enter (for example below /var), run Belayer as another user, or set DATABASE_URL.`,
  );
}

function userByName(name: string): RunAs['user'] {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.startsWith(`${name}:`));
    const [, , uid, gid] = line?.split(':') ?? [];
    return uid === undefined || gid === undefined
      ? undefined
      : { name, uid: Number(uid), gid: Number(gid) };
  } catch {
    return undefined;
  }
}

function chownTree(path: string, uid: number, gid: number): void {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return;
  if (stat.uid !== uid) chownSync(path, uid, gid);
  if (stat.isDirectory())
    for (const name of readdirSync(path)) chownTree(join(path, name), uid, gid);
}
