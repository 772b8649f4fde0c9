/**
 * A lock between processes of one machine that survives kill -9 without a race.
 *
 * A lock is a folder of files `<generation>`, each naming its owner. The highest generation is the
 * lock. A lock whose owner is dead is not removed (two processes could each remove it, the second
 * one removing the first one's new lock): it is outbid by the next generation.
 *
 * 1. A generation is made by `link`, so exactly one process makes it and its text is whole.
 * 2. The highest generation is never removed, not even by its owner: it is marked as released.
 * 3. Who made a generation looks again; if a higher one exists, it has lost. By 2 it cannot miss one.
 *
 * Not for a folder shared between machines or containers: a pid means nothing there.
 */
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { invariant } from '../contracts/failures.ts';
import { makeFolder } from './make-folder.ts';
import { identityOf, isAlive, type ProcessIdentity } from './process-identity.ts';
import { serverLimits } from './server-limits.ts';
import { sleep } from './stop-process.ts';

export interface GenerationLock {
  release(): void;
}

type Claim = (ProcessIdentity & { readonly nonce: string }) | 'released';

/**
 * Takes the lock, or says who holds it.
 * @param setting  The one that names the folder above, for the message when this one cannot be made.
 */
export function tryLock(
  folder: string,
  setting: string,
): GenerationLock | { readonly heldBy: number } {
  makeFolder(folder, setting, 0o755);
  const own = identityOf(process.pid);
  invariant(own !== undefined, 'the process that takes a lock is alive');
  const claim: Claim = { ...own, nonce: randomBytes(8).toString('hex') };
  const prepared = join(folder, `claim-${claim.nonce}`);
  writeFileSync(prepared, JSON.stringify(claim));
  try {
    for (let attempt = 0; attempt < serverLimits.lockAttemptsMax; attempt++) {
      const highest = Math.max(0, ...generationsIn(folder));
      const holder = highest === 0 ? 'released' : readClaim(join(folder, String(highest)));
      if (holder !== 'released' && isAlive(holder)) return { heldBy: holder.pid };
      const mine = highest + 1;
      try {
        linkSync(prepared, join(folder, String(mine)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
        throw error;
      }
      if (generationsIn(folder).some((generation) => generation > mine)) {
        rmSync(join(folder, String(mine)), { force: true });
        continue;
      }
      for (const older of generationsIn(folder).filter((generation) => generation < mine))
        rmSync(join(folder, String(older)), { force: true });
      return { release: () => markReleased(folder, mine, claim.nonce) };
    }
  } finally {
    rmSync(prepared, { force: true });
  }
  // So many others won in turn; the latest of them holds it.
  return { heldBy: 0 };
}

/** Takes the lock, waiting at most `msMax` for others; undefined when they did not let go. */
export async function waitForLock(
  folder: string,
  setting: string,
  msMax: number,
): Promise<GenerationLock | undefined> {
  for (const end = Date.now() + msMax; ;) {
    const lock = tryLock(folder, setting);
    if ('release' in lock) return lock;
    if (Date.now() >= end) return undefined;
    await sleep(serverLimits.lockRetryMs);
  }
}

function markReleased(folder: string, generation: number, nonce: string): void {
  const file = join(folder, String(generation));
  const text = join(folder, `released-${nonce}`);
  writeFileSync(text, JSON.stringify('released'));
  renameSync(text, file);
}

function generationsIn(folder: string): number[] {
  return readdirSync(folder)
    .filter((name) => /^[1-9]\d*$/.test(name))
    .map(Number);
}

/** A file that was outbid and removed between two looks counts as released: the next look sees the higher one. */
function readClaim(file: string): Claim {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Claim;
  } catch {
    return 'released';
  }
}
