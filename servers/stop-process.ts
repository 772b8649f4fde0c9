import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { serverLimits } from './server-limits.ts';

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** Sends a signal to exactly this process; says whether it was there. A later owner of the pid is never hit. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Asks a process to end, waits, and kills it when it does not. Says how it ended. */
export async function stopProcess(
  identity: ProcessIdentity,
  signal: NodeJS.Signals,
  msMax: number = serverLimits.stopMsMax,
): Promise<'was-gone' | 'stopped' | 'killed' | 'survived'> {
  if (!signalProcess(identity, signal)) return isAlive(identity) ? 'survived' : 'was-gone';
  if (await hasEnded(identity, msMax)) return 'stopped';
  signalProcess(identity, 'SIGKILL');
  return (await hasEnded(identity, serverLimits.killMsMax)) ? 'killed' : 'survived';
}

async function hasEnded(identity: ProcessIdentity, msMax: number): Promise<boolean> {
  for (const end = Date.now() + msMax; Date.now() < end;) {
    if (!isAlive(identity)) return true;
    await sleep(20);
  }
  return !isAlive(identity);
}
