/** A process that cannot reach anything: what it does, it does with what it has. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Every way in which Node opens a connection over a network throws. */
const preload = `
import net from 'node:net';
import dns from 'node:dns';
import dgram from 'node:dgram';
const refuse = () => { throw new Error('this process has no network'); };
const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function (...given) {
  const [first] = Array.isArray(given[0]) ? given[0] : given;
  if (typeof first === 'object' && first !== null && typeof first.path === 'string') return connect.apply(this, given);
  return refuse();
};
dns.lookup = refuse;
dns.promises.lookup = refuse;
dgram.Socket.prototype.send = refuse;
globalThis.fetch = refuse;
`;

/** The system itself takes the network away as well, where it lets a user do that. */
function hasNamespaces(): boolean {
  try {
    execFileSync('unshare', ['-rn', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export async function runWithoutNetwork(
  words: readonly string[],
  options: {
    readonly folder: string;
    readonly environment: Readonly<Record<string, string | undefined>>;
  },
): Promise<{ readonly code: number; readonly out: string; readonly errors: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'belayer-offline-'));
  const file = join(folder, 'no-network.mjs');
  writeFileSync(file, preload);
  const node = [process.execPath, '--import', file, ...words];
  const [command = '', ...rest] = hasNamespaces() ? ['unshare', '-rn', ...node] : node;
  try {
    return await new Promise((resolve) => {
      execFile(
        command,
        rest,
        { cwd: options.folder, env: { ...options.environment }, maxBuffer: 256 * 1024 * 1024 },
        (error, out, errors) =>
          resolve({
            code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1,
            out,
            errors,
          }),
      );
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
