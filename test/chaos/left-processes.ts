import { eventually } from '../support/eventually.ts';
import { check, type Check } from './check.ts';

/** Processes that are to be gone, by what they were. A child that has ended is there until it is reaped. */
export async function leftProcesses(
  processes: Readonly<Record<string, readonly number[]>>,
): Promise<Check> {
  const all = Object.entries(processes).flatMap(([what, pids]) =>
    pids.map((pid) => ({ what, pid })),
  );
  await eventually(() => !all.some(({ pid }) => isThere(pid)), 5_000).catch(() => undefined);
  return check('no process is left behind', all, ({ what, pid }) =>
    isThere(pid) ? `${what} ${pid} is still there` : undefined,
  );
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
