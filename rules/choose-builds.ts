import type { Routing } from '../contracts/deployments.ts';

/**
 * The builds that a start may go to, the one that it should go to first. Empty: no build takes starts.
 *
 * A run's share is a hash of its id: the same run asks twice and gets the same answer.
 */
export function chooseBuilds({ current, ramping }: Routing, run: string): readonly string[] {
  const isRamped = ramping !== undefined && shareOf(run) < ramping.percent;
  if (current === undefined) return isRamped ? [ramping.buildId] : [];
  if (ramping === undefined || ramping.percent <= 0) return [current];
  // The second one is for an agent that the first does not have.
  return isRamped ? [ramping.buildId, current] : [current, ramping.buildId];
}

/** Even over [0, 100): FNV-1a, and a finalizer, since ids differ in their last characters only. */
function shareOf(run: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let at = 0; at < run.length; at += 1)
    hash = Math.imul(hash ^ run.charCodeAt(at), 0x01_00_01_93);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2_b2_ae_35);
  return (((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * 100;
}
